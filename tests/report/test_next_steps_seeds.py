"""What a sweep advises to run next keeps the seeds that were the same for all its runs."""

from report_sweeps import grid, load, measured, write_sweep

from dlx.report.sweep.next_steps import section


def test_next_command_keeps_a_seed_that_did_not_vary_and_repeats_the_one_that_did(tmp_path):
    axes = {"model.width": ["4", "16", "64"], "seed": ["0", "1", "2"]}
    folder = write_sweep(tmp_path, grid(axes), lambda setting: measured(10 / float(setting["model.width"])
                                                                        + 0.01 * float(setting["seed"])))
    plan = folder / "sweep.yaml"
    plan.write_text(plan.read_text().replace("- seed=", "- split.seed=7\n  - seed="))
    commands = [command.text for command in section(load(folder)).commands]
    assert commands
    assert all("split.seed=7" in text for text in commands)
    assert all(" seed=" not in text.replace("'seed=", "'") for text in commands)
