"""``harness bead``: the store of beads as an issue tracker."""

from harness.cli.bead import change, context_pack, dep, edit, import_export, listing
from harness.cli.bead.bead_options import bead

bead.command("create")(change.create)
bead.command("ready")(listing.ready)
bead.command("blocked")(listing.blocked)
bead.command("show")(listing.show)
bead.command("list")(listing.list_beads)
bead.command("update")(change.update)
bead.command("claim")(change.claim)
bead.command("close")(change.close)
bead.command("reopen")(change.reopen)
bead.command("delete")(change.delete)
bead.command("edit")(edit.edit)
bead.command("due")(listing.due)
bead.add_typer(dep.dep, name="dep")
bead.command("comment")(change.comment)
bead.command("search")(listing.search)
bead.command("history")(listing.history)
bead.command("stats")(listing.stats)
bead.command("export")(import_export.export)
bead.command("import")(import_export.import_issues)
bead.command("doctor")(import_export.doctor)
bead.command("context")(context_pack.context)
bead.command("compact")(context_pack.compact)

__all__ = ["bead"]
