"""The class names of the usual data sets, each list in the index order that models trained on it use.

    kinetics400             Kay et al. 2017 (arXiv:1705.06950): alphabetical
    kinetics600             Carreira et al. 2018 (arXiv:1808.01340): alphabetical
    kinetics700             Carreira et al. 2019 (arXiv:1907.06987): alphabetical, the same classes in the 2020 edition
    something_something_v2  Goyal et al. 2017 (arXiv:1706.04261): its labels file, which is alphabetical
    ucf101                  Soomro et al. 2012 (arXiv:1212.0402): its classInd file, which counts from 1; alphabetical
                            whatever the case: Hammering has index 34, Hammer Throw 35
    hmdb51                  Kuehne et al. 2011 (ICCV): alphabetical
    charades                Sigurdsson et al. 2016 (arXiv:1604.01753): c000 to c156 of Charades_v1_classes
    activitynet             Caba Heilbron et al. 2015 (CVPR), release 1.3: the annotations number no classes, this is
                            the order of MMAction2, with the spellings of the annotations ("Plataform diving")
    moments_in_time         Monfort et al. 2019 (arXiv:1801.03150), version 1: its list of categories
    jester                  Materzynska et al. 2019 (ICCV workshops): its labels file
    ava                     Gu et al. 2018 (arXiv:1705.08421): its action list, whose ids count from 1 (index + 1)
    sports1m                Karpathy et al. 2014 (CVPR): its labels file

The names are the data sets' own but for spaces between words: `name.replace(" ", "")` gives UCF101's folders,
`name.replace(" ", "_")` HMDB51's, and `name.replace(" ", "+")` the categories of Moments in Time.
"""

from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from ..errors import UsageError

LABEL_LISTS: tuple[str, ...] = (
    "kinetics400",
    "kinetics600",
    "kinetics700",
    "something_something_v2",
    "ucf101",
    "hmdb51",
    "charades",
    "activitynet",
    "moments_in_time",
    "jester",
    "ava",
    "sports1m",
)


@cache
def label_list(name: str) -> tuple[str, ...]:
    """The class names of a data set of LABEL_LISTS, by index; UsageError names the nearest ones for another name."""
    if name not in LABEL_LISTS:
        near = get_close_matches(name.lower(), LABEL_LISTS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(LABEL_LISTS)}"
        raise UsageError(f"no label list is called {name!r}; {hint}")
    return tuple(files("marey.presets").joinpath("labels", f"{name}.txt").read_text(encoding="utf-8").splitlines())
