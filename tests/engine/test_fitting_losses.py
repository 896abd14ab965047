"""Which losses, metrics and regularizers go together: what is said where they do not."""

import pytest
from part_files import parts

from dlx.core.errors import ConfigError

PROBLEMS = {
    ("dataset=digits", "loss=cross_entropy", "loss.class_weights=[1,2]"):
        "loss.class_weights must have one weight for each of the 10 classes, got 2",
    ("dataset=digits", "loss=focal", "loss.alpha=[1,2,3]"):
        "loss.alpha must have one weight for each of the 10 classes, got 3",
    ("dataset=digits", "loss=triplet", "regularizer=[mixup]"):
        "regularizer=mixup mixes examples, and loss=triplet compares examples of one class each; leave it out",
    ("dataset=digits", "loss=mse_one_hot", "regularizer=[confidence_penalty]"):
        "regularizer=confidence_penalty reads outputs as logits, and those of loss=mse_one_hot are none; leave it out",
    ("dataset=digits", "loss=bce", "regularizer=[confidence_penalty]"):
        "regularizer=confidence_penalty reads outputs as logits, and those of loss=bce are none; leave it out",
    ("dataset=digit_sets", "loss=cross_entropy"):
        "loss=cross_entropy is for classification and sequence, dataset=digit_sets is a multilabel; use loss=bce "
        "metric=[label_accuracy,label_macro_f1,label_micro_f1,subset_accuracy]",
    ("dataset=digit_strings", "loss=cross_entropy", "metric=[token_accuracy]"):
        "loss=cross_entropy is for classification and sequence, metric=token_accuracy is for sequence, "
        "dataset=digit_strings is a transcription; use loss=ctc metric=[error_rate]",
    ("dataset=digits", "loss=ctc"): "loss=ctc is for transcription, dataset=digits is a classification; use "
                                    "loss=cross_entropy metric=[accuracy,nll,top_k,macro_f1,roc_auc]",
    ("dataset=digit_strings", "model=mlp"): "model=mlp gives one answer for a whole input",
}


@pytest.mark.parametrize("overrides", PROBLEMS, ids=" ".join)
def test_parts_that_do_not_fit_say_why_before_there_is_data(overrides):
    with pytest.raises(ConfigError) as refused:
        parts(*overrides)
    assert any(problem.startswith(PROBLEMS[overrides]) for problem in refused.value.problems), refused.value


@pytest.mark.parametrize("weights", ["balanced", "[1,1,1,1,1,1,1,1,1,2]", "null"])
def test_class_weights_that_fit_are_taken(weights):
    assert parts("dataset=digits", f"loss.class_weights={weights}").loss.class_weights is not False
