"""The images that a recipe names, or that are to be evaluated: found, hashed, checked, split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transferkit.data.check import Finding, Header, Limits, quick_check
from transferkit.data.check.quick import read_headers
from transferkit.data.hashing import hash_files
from transferkit.data.photo_decisions import Edit, apply_edits, apply_to_ledger, read_edits, standing
from transferkit.data.source import DataSet, Item
from transferkit.data.sources import ManifestOptions, read_source
from transferkit.data.splits.groups import split_keys
from transferkit.data.splits.previous_split import read_previous_split
from transferkit.data.splits.split import Ledger, Row, missed_splits, split_dataset
from transferkit.data.unusable_files import Refused, check_shares
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.files.cache_location import writable_cache_folder
from transferkit.recipe import Recipe, check_labels, check_with
from transferkit.recipe.sections import DataSection
from transferkit.training.images import Images
from transferkit.training.progress import Progress

__all__ = ["load_labelled", "missing_data", "prepare"]


def prepare(recipe: Recipe, progress: Progress) -> Images:
    """Finds, hashes, checks and splits the images that a recipe names. Writes nothing into the run.

    Raises:
        UserError: as the source and the split say; or head and data do not go together.
    """
    data = recipe.data
    if data.path is None:
        raise UserError(missing_data())
    found = _source(recipe, data.path, stated=data.classes)
    # What else the recipe and the data demand of each other is said together with the backbone's part of it.
    check_labels(recipe, found.multi_label)
    few = {name: count for name, count in found.counts().items() if count < data.min_per_class}
    if few:
        expected = f"at least {data.min_per_class} images (data.min_per_class)"
        raise UserError(*(fault(f"data: class {name!r}", count, expected) for name, count in few.items()))
    earlier = None if data.ledger is None else read_previous_split(data.ledger)
    read = _read(found, data, progress)
    edited = ""
    if data.edits is not None:
        edits = standing(read_edits(data.edits))
        before = read
        read = _edited(read, edits)
        found = read.found
        earlier = None if earlier is None else apply_to_ledger(earlier, edits)
        edited = f"{data.edits}: {_said_of_edits(edits, before.hashes, read.hashes)}"
    ledger = split_dataset(
        found,
        read.hashes,
        validation=data.validation,
        test=data.test,
        seed=data.split_seed,
        earlier=earlier,
    )
    if not any(row.split == "val" for row in ledger.rows):
        hint = "every epoch is measured on validation images"
        raise UserError(fault("data.validation", data.validation, "images to validate on", hint))
    # Readable items and the ledger's rows are in one order.
    splits = iter(row.split for row in ledger.rows)
    of_item = [None if sha256 is None else next(splits) for sha256 in read.hashes]
    findings = quick_check(found, read.hashes, of_item, headers=read.headers)
    notes = [*found.notes, *([edited] if edited else [])]
    if earlier is not None:
        known = {row.sha256 for row in earlier.rows}
        there = sum(row.sha256 in known for row in ledger.rows)
        notes.append(f"{data.ledger}: gives {there} of {len(ledger.rows)} images their split")
    notes += _small_classes(ledger, found.classes)
    return read.images(ledger.rows, (*notes, *_warnings(findings)))


def _edited(read: _Read, edits: Mapping[str, Edit]) -> _Read:
    """What was read, once decisions on single photos are applied."""
    found, hashes, kept = apply_edits(read.found, read.hashes, edits)
    return replace(read, found=found, headers=[read.headers[number] for number in kept], hashes=hashes)


def _said_of_edits(
    edits: Mapping[str, Edit], before: Sequence[str | None], after: Sequence[str | None]
) -> str:
    """What decisions did to the photos that are here, and how many are on others."""
    there = Counter(before)
    relabelled = sum(there[sha256] for sha256, one in edits.items() if one.action == "relabel")
    line = f"{len(before) - len(after)} photo(s) dropped, {relabelled} relabelled"
    absent = sum(one.action != "keep" and not there[sha256] for sha256, one in edits.items())
    return line + (f"; {absent} decision(s) are on photos that are not here" if absent else "")


def missing_data() -> str:
    """The fault of a recipe that names no images."""
    return fault("data.path", None, "a folder of class folders", "name it with --data DIR")


@dataclass(frozen=True)
class _Read:
    """A data set with header and hash of each of its files, hash None for those that are refused."""

    found: DataSet
    headers: list[Header]
    hashes: list[str | None]
    refused: tuple[Refused, ...]

    @property
    def readable(self) -> list[tuple[Item, str]]:
        pairs = zip(self.found.items, self.hashes, strict=True)
        return [(item, sha256) for item, sha256 in pairs if sha256 is not None]

    def images(self, rows: tuple[Row, ...], notes: tuple[str, ...] = ()) -> Images:
        items = [item for item, _ in self.readable]
        targets = self.found.targets(items)
        paths = tuple(str(item.path) for item in items)
        keys = split_keys(self.found, self.hashes)
        groups = tuple(keys[sha256] for _, sha256 in self.readable)
        return Images(self.found.classes, rows, paths, targets, self.refused, notes, groups)


def _source(
    recipe: Recipe,
    path: str,
    minimum_classes: int = 2,
    stated: Sequence[str] | str | None = None,
    known: Sequence[str] = (),
    own: bool = True,
) -> DataSet:
    """What a path leads to; ``own``: it is the recipe's, which says what a manifest does not say itself."""
    return read_source(
        path,
        unpack_to=writable_cache_folder(recipe.activations.cache_dir) / "sources",
        minimum_classes=minimum_classes,
        follow_links=recipe.data.follow_links,
        classes=stated,
        known=known,
        manifest=ManifestOptions.of(recipe.data, own),
    )


def _read(found: DataSet, data: DataSection, progress: Progress) -> _Read:
    """Headers and hashes.

    Raises:
        UserError: more than the recipe allows cannot be used.
    """
    headers = read_headers(found, Limits.of(data))
    # Only what lies beyond a limit is refused by its header; what else is no image shows in decoding, by the
    # decoder that training, prediction and export share.
    reasons = [header.refused if header.beyond else None for header in headers]
    with progress.stage("read", total=len(found), unit="file") as stage:
        wanted = [item.path for item, reason in zip(found, reasons, strict=True) if reason is None]
        digests = iter(hash_files(wanted, stage.update))
    hashes = [None if reason is not None else next(digests) for reason in reasons]
    refused = tuple(
        Refused(
            item.name, header.refused if header.beyond and header.refused else "cannot be read", header.kind
        )
        for item, header, sha256 in zip(found, headers, hashes, strict=True)
        if sha256 is None
    )
    check_shares(refused, len(found), data, found.missing_hint)
    return _Read(found, headers, hashes, refused)


def _warnings(findings: Sequence[Finding]) -> list[str]:
    """One line for each kind of finding that is more than a note."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        # Unreadable files are in the quarantine, with their reasons.
        if finding.severity != "note" and finding.kind != "unreadable":
            kinds.setdefault(finding.kind, []).append(finding)
    lines = []
    for kind, found in kinds.items():
        first = found[0]
        place = ", ".join(first.names[:2]) or ", ".join(first.classes[:2])
        more = f" (and {len(found) - 1} more; see `transferkit data check`)" if len(found) > 1 else ""
        lines.append(f"{kind}: {place}: {first.message}{more}")
    return lines


def _small_classes(ledger: Ledger, classes: Sequence[str], most: int = 5) -> list[str]:
    """One line for each split that lacks classes: nothing is known of these there."""
    lines = []
    for split, missing in sorted(missed_splits(ledger, classes).items()):
        if missing:
            shown = ", ".join(missing[:most]) + (", …" if len(missing) > most else "")
            lines.append(
                f"{split}: no image of {len(missing)} of {len(classes)} classes, which have too few ({shown})"
            )
    return lines


def load_labelled(
    recipe: Recipe,
    path: str,
    classes: Sequence[str],
    progress: Progress,
    *,
    own: bool = False,
    admit_new: bool = False,
) -> Images:
    """All images of a folder or manifest, with labels in a run's class order.

    Args:
        recipe: the run's; its limits stand, and its head says how many labels an image has.
        path: as ``data.path``.
        classes: the run's, in its order.
        progress: shows the files.
        own: the recipe says how this very manifest is read; else it is tried.
        admit_new: the source may have classes that the run does not know; they come last.

    Raises:
        UserError: the source cannot be read, has classes that are not admitted, or has several labels an
            image where the run has one, or the other way round.
    """
    found = _source(recipe, path, minimum_classes=1, known=classes, own=own)
    _check_kind(found, recipe, path)
    if admit_new:
        classes = (*classes, *(name for name in found.classes if name not in classes))
    else:
        _check_known(found, classes)
        check_with(recipe, classes=classes, several_labels=found.multi_label)
    return _in_classes(found, classes, recipe, progress)


def _check_kind(found: DataSet, recipe: Recipe, path: str) -> None:
    """Refuses several labels an image where a run has one, and the other way round."""
    several = bool(recipe.head.options.get("multi_label"))
    if found.multi_label and not several:
        hint = "the photos here may have several; for these a run of their own with --head multi_label"
        raise UserError(fault("data", path, "one class an image, as in the run", hint))
    if several and not found.multi_label:
        hint = "a manifest lists several labels; folders give one class an image"
        raise UserError(fault("data", path, "lists of labels, as in the run", hint))


def _check_known(found: DataSet, classes: Sequence[str]) -> None:
    """Refuses classes that a run does not know."""
    unknown = [name for name in found.classes if name not in classes]
    if unknown:
        known = f"one of the run's classes: {', '.join(classes[:20])}{', …' if len(classes) > 20 else ''}"
        raise UserError(
            *(
                fault("data: class", name, known, did_you_mean(name, classes) or "leave it out")
                for name in unknown[:10]
            ),
            *([f"data: class: and {len(unknown) - 10} more"] if len(unknown) > 10 else []),
        )


def _in_classes(found: DataSet, classes: Sequence[str], recipe: Recipe, progress: Progress) -> Images:
    """A data set's images with their labels in this order of classes."""
    place = {name: number for number, name in enumerate(classes)}

    def placed(item: Item) -> Item:
        numbers = tuple(sorted(place[name] for name in found.names_of(item)))
        if item.labels is None:
            return replace(item, label=numbers[0])
        return replace(item, label=numbers[0] if numbers else -1, labels=numbers)

    found = replace(found, classes=tuple(classes), items=tuple(placed(item) for item in found))
    read = _read(found, recipe.data, progress)
    rows = tuple(
        Row(sha256, item.name, found.label_text(item), item.split or "all") for item, sha256 in read.readable
    )
    return read.images(rows, found.notes)
