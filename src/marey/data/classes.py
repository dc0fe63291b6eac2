"""Merge, rename and leave out classes of a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import UsageError
from .manifest import Manifest, Sample
from .rows import nearest


def edit_classes(
    manifest: Manifest,
    *,
    merge: Mapping[str, Sequence[str]] | None = None,
    rename: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = (),
) -> Manifest:
    """The manifest with other classes, in all heads that have them.

    merge      new class -> the classes that become it; it takes the place of the first of them
    rename     old name -> new name
    leave_out  classes that go, with the samples that then have no class; in multi-label data samples stay

    Class groups and mirror pairs follow. Raises UsageError for a class that is not there (with the nearest), one that
    is named twice, a new name that is taken, and where less than two classes stay.
    """
    target = _targets(manifest, merge or {}, rename or {}, leave_out)
    heads = {
        head: tuple(dict.fromkeys(new for name in names if (new := target.get(name, name)) is not None))
        for head, names in manifest.heads.items()
    }
    few = next((head for head, names in heads.items() if len(names) < 2 and names != manifest.heads[head]), None)
    if few is not None:
        raise UsageError(
            f"only {', '.join(heads[few]) or 'no class'} of {manifest.source} would stay; keep two or more"
        )
    samples: list[Sample] = []
    for sample in manifest.samples:
        labels = {
            head: tuple(dict.fromkeys(new for name in names if (new := target.get(name, name)) is not None))
            for head, names in sample.labels.items()
        }
        lost = any(names and not labels[head] for head, names in sample.labels.items())
        if manifest.multi_label or not lost:
            samples.append(replace(sample, labels=labels))
    moved = [(target.get(name, name), group) for name, group in manifest.class_groups.items()]
    pairs = [(target.get(a, a), target.get(b, b)) for a, b in manifest.mirror.items()]
    return replace(
        manifest,
        samples=tuple(samples),
        heads=heads,
        class_groups={name: group for name, group in reversed(moved) if name is not None},
        mirror={a: b for a, b in pairs if a is not None and b is not None and a != b},
    )


def _targets(
    manifest: Manifest, merge: Mapping[str, Sequence[str]], rename: Mapping[str, str], leave_out: Sequence[str]
) -> dict[str, str | None]:
    """old class -> new class, None where it is left out; UsageError for a request that cannot be meant."""
    known = dict.fromkeys(name for names in manifest.heads.values() for name in names)
    wanted = [(old, new) for new, olds in merge.items() for old in olds]
    wanted += [*rename.items(), *((old, None) for old in leave_out)]
    target: dict[str, str | None] = {}
    for old, new in wanted:
        if old not in known:
            raise UsageError(f"{manifest.source} has no class {old!r}{nearest(old, known)}")
        if old in target:
            raise UsageError(f"class {old!r} is named twice in what to merge, rename or leave out; name it once")
        target[old] = new
    names = [*(new for new, olds in merge.items() if olds), *rename.values()]
    for new in names:
        if names.count(new) > 1 or (new in known and new not in target):
            raise UsageError(f"there is a class {new!r} already; merge the two if they are the same")
    return target
