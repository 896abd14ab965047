"""dlx predict: what a saved model says of further files, of every kind of data of the user's own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import dataset_files
import numpy as np
import pandas as pd
import pytest
import torch
from cli_runs import copied, predictions, room, summary, trained
from PIL import Image
from sklearn.datasets import load_digits, load_iris

from dlx.record import checkpoint
from dlx.record.checkpoint import Checkpoint

SMALL = ("epochs=2", "model.width=8", "metric=[accuracy,nll]")
# What to predict with the run's own data, by option: the file or folder below the data set's.
OWN = {"csv": "people.csv", "parquet": "people.parquet", "arrays": "people.npz", "huggingface": "people",
       "text_csv": "reviews.csv", "text_lines": "reviews.txt", "image_folder": "", "audio_folder": ""}


def data_of(option: str) -> Path:
    """The folder of a data set, written once."""
    folder = room() / "data" / option
    if not folder.exists():
        folder.mkdir(parents=True)
        overrides = dataset_files.FILES[option](folder)
        (folder.parent / f"{option}.json").write_text(json.dumps(overrides))
    return folder


def run_of(option: str, *more: str) -> Path:
    """A run on a data set."""
    folder = data_of(option)
    given = json.loads((folder.parent / f"{option}.json").read_text())
    return trained(f"dataset={option}", *given, *(SMALL if option in ("csv", "parquet", "arrays", "huggingface") else (
        "epochs=2", "metric=[accuracy,nll]")), *more)


def said(dlx, run: Path, path: Path | str, *arguments: str) -> list[dict]:
    """The parsed --json of dlx predict."""
    result = dlx("predict", str(run), str(path), *arguments, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


def regression(num_rows: int = 120) -> pd.DataFrame:
    """Targets around 5000 that two columns tell."""
    draw = np.random.default_rng(2)
    frame = pd.DataFrame(draw.normal(size=(num_rows, 2)).round(3), columns=["a", "b"])
    return frame.assign(price=5000 + 300 * frame["a"] - 100 * frame["b"])


@pytest.mark.parametrize("option", OWN)
def test_predict_of_the_runs_own_rows_gives_the_numbers_of_its_predictions(option, dlx):
    run = run_of(option)
    rows = said(dlx, run, data_of(option) / OWN[option])
    names = summary(run)["class_names"]
    probs = np.array([[row[f"prob_{name}"] for name in names] for row in rows])
    assert len(rows) == sum(summary(run)["num_examples"].values())
    for split in ("val", "test"):
        expected = predictions(run, split)
        np.testing.assert_allclose(probs[expected["id"]], expected["probs"], rtol=0, atol=1e-5)
        assert [rows[row]["prediction"] for row in expected["id"]] == [
            names[int(code)] for code in expected["prediction"]]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_predict_of_a_regression_is_in_the_targets_own_units(precision, dlx, workdir):
    regression().to_csv("homes.csv", index=False)
    run = trained("dataset=csv", f"dataset.path={workdir / 'homes.csv'}", "dataset.target=price", "epochs=20",
                  "optimizer.lr=0.05", "loss=mse", "metric=[rmse]", "preprocessing=[standardize,scale_target]",
                  "model=linear", f"device.precision={precision}")
    regression().drop(columns="price").to_csv("new.csv", index=False)
    rows = said(dlx, run, "new.csv")
    assert rows[0].keys() == {"id", "prediction"}
    found = np.array([row["prediction"] for row in rows])
    for split in ("val", "test"):
        expected = predictions(run, split)
        np.testing.assert_allclose(found[expected["id"]], expected["prediction"], rtol=1e-6)
    assert 4000 < found.min() < found.max() < 6500


def test_predict_writes_csv_to_the_terminal_and_to_a_file(dlx, workdir):
    run, path = run_of("csv"), str(data_of("csv") / "people.csv")
    shown = dlx("predict", str(run), path)
    assert (shown.code, shown.err) == (0, "")
    assert next(csv.DictReader(io.StringIO(shown.out))).keys() == {"id", "prediction", "prob_small", "prob_tall"}
    written = dlx("predict", str(run), path, "--output", "said.csv")
    assert (written.code, written.out, (workdir / "said.csv").read_text()) == (0, "", shown.out)
    as_json = dlx("predict", str(run), path, "--json", "--output", "said.json")
    assert (as_json.code, as_json.out) == (0, "")
    assert len(json.loads((workdir / "said.json").read_text())) == len(shown.out.splitlines()) - 1


def test_predict_needs_neither_the_target_nor_the_data_that_the_run_saw(dlx, workdir):
    frame = dataset_files.table()
    frame.to_csv("gone.csv", index=False)
    run = trained("dataset=csv", f"dataset.path={workdir / 'gone.csv'}", "dataset.target=label",
                  "dataset.notes=[person]", *SMALL)
    whole = said(dlx, run, "gone.csv")
    (workdir / "gone.csv").unlink()
    # Columns in another order, and one that the run does not know.
    frame[["city", "weight", "height"]].assign(extra=1).to_csv("new.csv", index=False)
    assert said(dlx, run, "new.csv") == whole


def test_predict_of_a_row_is_the_same_beside_any_others(dlx, workdir):
    run = run_of("csv")
    frame = dataset_files.table().drop(columns="label")
    frame.iloc[[7]].to_csv("one.csv", index=False)
    (alone,), whole = said(dlx, run, "one.csv"), said(dlx, run, data_of("csv") / "people.csv")
    assert alone == {**whole[7], "id": 0, **{
        name: pytest.approx(whole[7][name], abs=1e-6) for name in alone if name.startswith("prob_")}}


def test_predict_takes_a_category_that_train_never_saw_for_none_of_those_it_did(dlx, workdir):
    run = run_of("csv")
    frame = dataset_files.table().drop(columns="label").head(6)
    frame.assign(city="Quito").to_csv("new.csv", index=False)
    # One-hot: the columns of all known cities are 0, so every unseen city is the same.
    quito = said(dlx, run, "new.csv")
    frame.assign(city="Ulm").to_csv("new.csv", index=False)
    assert said(dlx, run, "new.csv") == quito
    frame.assign(city="Oslo").to_csv("new.csv", index=False)
    assert said(dlx, run, "new.csv") != quito


@pytest.mark.parametrize("label", ["before", "after"])
def test_predict_of_lines_takes_texts_with_labels_and_without(label, dlx, workdir):
    pairs = dataset_files.opinions()
    text = "".join(f"{one}\t{other}\n" for other, one in pairs) if label == "before" else "".join(
        f"{one}\t{other}\n" for one, other in pairs)
    (workdir / "told.txt").write_text(text)
    run = trained("dataset=text_lines", f"dataset.path={workdir / 'told.txt'}", f"dataset.label={label}", "epochs=1",
                  "metric=[accuracy]")
    (workdir / "bare.txt").write_text("\n".join(f"  {text}\n" for text, _ in pairs))
    assert said(dlx, run, "bare.txt") == said(dlx, run, "told.txt")


def test_predict_of_a_folder_without_class_folders_names_its_files(dlx, workdir):
    run, folder = run_of("image_folder"), data_of("image_folder")
    (workdir / "new").mkdir()
    for name in ("bright", "dark"):
        (workdir / "new" / f"{name}.png").write_bytes((folder / name / "0.png").read_bytes())
    rows = said(dlx, run, "new")
    assert [row["id"] for row in rows] == ["bright.png", "dark.png"]
    assert said(dlx, run, "new/dark.png")[0] == {**rows[1], **{
        name: pytest.approx(value, abs=1e-6) for name, value in rows[1].items() if name.startswith("prob_")}}


REFUSED = {
    "no file": ("csv", None, 4, "new is not there: looked for"),
    "empty": ("csv", "", 2, "new is empty (0 bytes)"),
    "column": ("csv", "height,city\n170,Oslo\n", 2, "new has no column weight"),
    "near column": ("csv", "height,Weight,city\n170,70,Oslo\n", 2, "did you mean Weight?"),
    "text for a number": ("csv", "height,weight,city\n170,much,Oslo\n", 2, "column weight"),
    "infinite": ("csv", "height,weight,city\n170,inf,Oslo\n", 2, "weight"),
    "text column": ("text_csv", "revue,writer\nfine,1\n", 2, "new has no column review, the run's column of texts"),
    "empty text": ("text_csv", "review,writer\nfine,1\n,2\n", 2, "column review has no text in line 3"),
    "utf-16": ("text_lines", "fine film".encode("utf-16"), 2, "is UTF-16 text"),
    "no array": ("arrays", "a,b\n1,2\n", 2, "is neither an .npz nor an .npy file"),
    "no folder": ("huggingface", "a,b\n1,2\n", 2, "is no folder that save_to_disk of datasets wrote"),
    "no image": ("image_folder", "a,b\n1,2\n", 2, "new"),
    "no recording": ("audio_folder", "a,b\n1,2\n", 2, "new"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_predict_refuses_what_is_not_of_the_runs_form(case, dlx, workdir):
    option, content, code, message = REFUSED[case]
    if content is not None:
        (workdir / "new").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = dlx("predict", str(run_of(option)), "new", "--output", "said.csv")
    assert (result.code, result.out) == (code, ""), result.err
    assert message in result.err
    assert "Traceback" not in result.err
    assert not (workdir / "said.csv").exists()


def test_predict_of_arrays_refuses_rows_of_another_shape_and_files_without_the_inputs(dlx, workdir):
    run = run_of("arrays")
    np.savez(workdir / "x.npz", inputs=np.zeros((4, 3)))
    result = dlx("predict", str(run), "x.npz")
    assert (result.code, result.err) == (
        2, f"dlx: {workdir}/x.npz, array inputs has rows of layout table and shape (3,), and the run's are table of "
           f"(2,)\n")
    np.savez(workdir / "x.npz", X=np.zeros((4, 2)))
    assert "x.npz has no array inputs; it has X: save the inputs as inputs, as the run's were" in dlx(
        "predict", str(run), "x.npz").err
    np.save(workdir / "x.npy", np.zeros((4, 2)))
    assert len(said(dlx, run, "x.npy")) == 4


def test_predict_abstains_below_a_confidence_and_says_how_often(dlx, workdir):
    run, path = run_of("csv"), str(data_of("csv") / "people.csv")
    whole = said(dlx, run, path)
    highest = np.array([max(row["prob_small"], row["prob_tall"]) for row in whole])
    least = float(np.round(np.median(highest), 3))
    result = dlx("predict", str(run), path, "--abstain-below", str(least), "-o", "said.csv")
    assert result.code == 0
    with open("said.csv", newline="") as file:
        labels = [row["prediction"] for row in csv.DictReader(file)]
    assert labels == [row["prediction"] if top >= least else "" for row, top in zip(whole, highest, strict=True)]
    count = labels.count("")
    assert 0 < count < len(labels)
    assert result.err == (f"abstained on {count} of {len(labels)} rows: no class had a probability of {least:g} or "
                          f"more\n")
    as_json = json.loads(dlx("predict", str(run), path, "--abstain-below", str(least), "--json").out)
    assert [row["prediction"] or "" for row in as_json] == labels


@pytest.mark.parametrize("least", ["0", "1.1", "-1", "nan"])
def test_predict_refuses_a_confidence_that_is_no_probability(least, dlx, workdir):
    result = dlx("predict", str(run_of("csv")), str(data_of("csv") / "people.csv"), f"--abstain-below={least}")
    assert (result.code, result.err) == (2, f"dlx: --abstain-below must be in (0, 1], got {float(least):g}\n")


def test_predict_of_a_regression_refuses_to_abstain(dlx, workdir):
    run = trained("dataset=diabetes", "epochs=1", "model.width=8")
    result = dlx("predict", str(run), "new.csv", "--abstain-below=0.5")
    assert (result.code, result.err) == (
        2, "dlx: --abstain-below is for classification, and this run predicts a regression\n")


def expect_the_runs_own(run: Path, rows: list[dict], split: str = "test", tolerance: float = 1e-5) -> None:
    """Compare predictions of a data set's rows, all of them in order, with the run's predictions.csv."""
    expected = predictions(run, split)
    names = summary(run)["class_names"]
    probs = np.array([[row[f"prob_{name}"] for name in names] for row in rows])
    np.testing.assert_allclose(probs[expected["id"]], expected["probs"], rtol=0, atol=tolerance)


def test_predict_on_digits_takes_image_files_and_arrays(dlx, workdir):
    run, images = trained("epochs=2", "model.width=16", "metric=[accuracy]"), load_digits().images
    np.save("digits.npy", (images / 16).astype(np.float32)[:, None])
    expect_the_runs_own(run, said(dlx, run, "digits.npy"))
    (workdir / "pictures").mkdir()
    # 17 grey values do not fit into bytes exactly.
    pixels = (images[:40] * 255 / 16).round().astype(np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(f"pictures/{number:02d}.png")
    np.save("bytes.npy", pixels[:, None])
    found, whole = said(dlx, run, "pictures"), said(dlx, run, "bytes.npy")
    assert [row["id"] for row in found] == [f"{number:02d}.png" for number in range(40)]
    assert [{**row, "id": number} for number, row in enumerate(found)] == whole
    # A photograph of a digit becomes grey.
    Image.fromarray(pixels[3]).convert("RGB").save("colour.png")
    assert said(dlx, run, "colour.png")[0]["prob_3"] == pytest.approx(found[3]["prob_3"], abs=1e-6)
    Image.fromarray(np.zeros((9, 8), np.uint8)).save("high.png")
    result = dlx("predict", str(run), "high.png")
    assert (result.code, result.err) == (2, "dlx: 'high.png' is 9×8 (height × width), the model takes 8×8; scale it "
                                            "to that\n")


def test_predict_on_a_table_of_the_package_takes_csv_by_the_names_of_its_columns_and_arrays(dlx, workdir):
    run, data = trained("dataset=iris", "epochs=2", "metric=[accuracy]"), load_iris(as_frame=True)
    data.data[data.data.columns[::-1]].to_csv("flowers.csv", index=False)
    np.save("flowers.npy", data.data.to_numpy())
    for path in ("flowers.csv", "flowers.npy"):
        expect_the_runs_own(run, said(dlx, run, path))


def test_predict_on_texts_of_the_package_takes_lines(dlx, workdir):
    run = trained("dataset=python_docs", "epochs=1", "metric=[accuracy]")
    (workdir / "lines.txt").write_text("while the loop goes on\nclass bodies are executed\n")
    rows = said(dlx, run, "lines.txt")
    assert [row["id"] for row in rows] == [0, 1]
    assert sum(value for name, value in rows[0].items() if name.startswith("prob_")) == pytest.approx(1)


def test_predict_on_tokens_wants_an_array(dlx, workdir):
    run = trained("dataset=parity", "model=bag", "epochs=1", "metric=[accuracy]", "preprocessing=[]")
    length = checkpoint.load(run / "checkpoints/best.safetensors").state["given"]["input_shape"][0]
    result = dlx("predict", str(run), "new.csv")
    assert (result.code, result.err) == (
        2, f"dlx: new.csv cannot be read as rows of this run's data, tokens of shape [{length}]: save them with "
           f"np.save as an .npy file, [N, {length}]\n")
    np.save("rows.npy", np.ones((3, length), np.int64))
    assert len(said(dlx, run, "rows.npy")) == 3


DAMAGE = {"gone": None, "zeros": torch.zeros(7, 7, dtype=torch.float64), "empty": torch.zeros(0, dtype=torch.int64),
          "huge": torch.full((1,), 2**60), "negative": torch.full((2,), -5), "no number": torch.full((1,), torch.nan)}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("option", ["csv", "text_csv", "audio_folder"])
def test_a_checkpoint_whose_statistics_are_damaged_is_refused(option, damage, dlx, tmp_path):
    run = copied(run_of(option), tmp_path)
    path = run / "checkpoints/best.safetensors"
    saved = checkpoint.load(path)
    kept = {key: value for key, value in saved.state.items() if key not in ("sha256", "format")}
    for name in [name for name in saved.tensors if name.startswith("preprocessing/")]:
        tensors = {**saved.tensors, name: DAMAGE[damage]}
        path.write_bytes(checkpoint.encode(Checkpoint({
            key: tensor for key, tensor in tensors.items() if tensor is not None}, kept)))
        for command, more in (("evaluate", []), ("predict", [str(data_of(option) / OWN[option])])):
            result = dlx(command, str(run), *more)
            # Some are numbers like others, and some make of rows what cannot be learnt from; none is a crash.
            assert result.code in (0, 2, 3), (name, command, result.err)
            assert damage != "gone" or (result.code == 3 and name.split("/")[1] in result.err), (name, result.err)
