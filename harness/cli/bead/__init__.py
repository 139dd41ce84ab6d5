"""``harness bead``: the store of beads as an issue tracker."""

from harness.cli import memory
from harness.cli.bead import change, dep, edit, files, look
from harness.cli.bead.options import bead

bead.command("create")(change.create)
bead.command("ready")(look.ready)
bead.command("blocked")(look.blocked)
bead.command("show")(look.show)
bead.command("list")(look.list_beads)
bead.command("update")(change.update)
bead.command("claim")(change.claim)
bead.command("close")(change.close)
bead.command("reopen")(change.reopen)
bead.command("delete")(change.delete)
bead.command("edit")(edit.edit)
bead.command("due")(look.due)
bead.add_typer(dep.dep, name="dep")
bead.command("comment")(change.comment)
bead.command("search")(look.search)
bead.command("history")(look.history)
bead.command("stats")(look.stats)
bead.command("export")(files.export)
bead.command("import")(files.import_issues)
bead.command("doctor")(files.doctor)
memory.register(bead)

__all__ = ["bead"]
