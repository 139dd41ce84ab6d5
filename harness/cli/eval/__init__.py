"""``harness eval``: compare systems, cluster errors, test variants, add up costs."""

import typer

from harness.cli.eval.ab_command import ab
from harness.cli.eval.aggregate_command import aggregate
from harness.cli.eval.bench_command import bench
from harness.cli.eval.compare_command import compare
from harness.cli.eval.cost_command import cost
from harness.cli.eval.errors_command import errors
from harness.cli.options import help_alone

evaluate = typer.Typer(
    help="Measure: compare systems, cluster errors, test variants, add up costs."
)
evaluate.callback(invoke_without_command=True)(help_alone)
evaluate.command("errors")(errors)
evaluate.command("ab")(ab)
evaluate.command("bench")(bench)
evaluate.command("aggregate")(aggregate)
evaluate.command("cost")(cost)
evaluate.command("compare")(compare)

__all__ = ["evaluate"]
