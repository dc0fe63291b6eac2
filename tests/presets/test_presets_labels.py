"""The label lists hold the data sets' classes, in their order."""

import re
from importlib.resources import files

import pytest

from marey.errors import UsageError
from marey.presets import LABEL_LISTS, label_list

COUNTS = {
    "kinetics400": 400,
    "kinetics600": 600,
    "kinetics700": 700,
    "something_something_v2": 174,
    "ucf101": 101,
    "hmdb51": 51,
    "charades": 157,
    "activitynet": 200,
    "moments_in_time": 339,
    "jester": 27,
    "ava": 80,
    "sports1m": 487,
}


def test_there_is_a_file_for_every_list_and_a_list_for_every_file():
    found = {entry.name.removesuffix(".txt") for entry in files("marey.presets").joinpath("labels").iterdir()}
    assert found == set(LABEL_LISTS) == set(COUNTS)
    assert len(LABEL_LISTS) == len(COUNTS)


@pytest.mark.parametrize("name", LABEL_LISTS)
def test_a_list_has_as_many_plain_and_different_names_as_its_data_set_has_classes(name: str):
    labels = label_list(name)
    assert len(labels) == len(set(labels)) == COUNTS[name]
    for label in labels:
        assert re.fullmatch(r"[\w(][\w ,.'/()-]*[\w)]", label), label
        assert "_" not in label
        assert "  " not in label


@pytest.mark.parametrize(
    ("name", "index", "label"),
    [
        ("kinetics400", 0, "abseiling"),
        ("kinetics400", 5, "archery"),
        ("kinetics400", 378, "walking the dog"),
        ("kinetics400", 399, "zumba"),
        ("kinetics600", 1, "acting in play"),
        ("kinetics600", 599, "zumba"),
        ("kinetics700", 33, "bending back"),
        ("kinetics700", 699, "zumba"),
        ("something_something_v2", 0, "Approaching something with your camera"),
        ("something_something_v2", 173, "Wiping something off of something"),
        ("ucf101", 0, "Apply Eye Makeup"),
        ("ucf101", 34, "Hammering"),
        ("ucf101", 35, "Hammer Throw"),
        ("ucf101", 46, "Jumping Jack"),
        ("ucf101", 47, "Jump Rope"),
        ("ucf101", 100, "Yo Yo"),
        ("hmdb51", 0, "brush hair"),
        ("hmdb51", 50, "wave"),
        ("charades", 0, "Holding some clothes"),
        ("charades", 59, "Sitting in a chair"),
        ("charades", 156, "Someone is eating something"),
        ("activitynet", 0, "Applying sunscreen"),
        ("activitynet", 199, "Playing badminton"),
        ("moments_in_time", 0, "clapping"),
        ("moments_in_time", 51, "playing fun"),
        ("moments_in_time", 338, "typing"),
        ("jester", 0, "Swiping Left"),
        ("jester", 26, "Doing other things"),
        ("ava", 14, "answer phone"),
        ("ava", 61, "work on a computer"),
        ("ava", 79, "watch (a person)"),
        ("sports1m", 0, "boomerang"),
        ("sports1m", 486, "model aircraft"),
    ],
)
def test_classes_stand_where_the_data_set_has_them(name: str, index: int, label: str):
    assert label_list(name)[index] == label


@pytest.mark.parametrize("name", ["kinetics400", "kinetics600", "kinetics700", "something_something_v2", "hmdb51"])
def test_alphabetical_lists_are(name: str):
    assert list(label_list(name)) == sorted(label_list(name))


def test_ucf101_is_alphabetical_whatever_the_case():
    folders = [label.replace(" ", "") for label in label_list("ucf101")]
    assert folders == sorted(folders, key=str.lower)
    assert folders != sorted(folders)


def test_the_editions_of_kinetics_overlap_as_they_should():
    first, second, third = (set(label_list(name)) for name in ("kinetics400", "kinetics600", "kinetics700"))
    assert len(first & second) == 368  # Carreira et al. 2018: so many of the 400 are exactly the same
    assert second - third == {
        "bull fighting",
        "chopping vegetables",
        "passing american football (not in game)",  # with a capital A in the other two
        "picking fruit",
    }


def test_a_list_is_read_once():
    assert label_list("jester") is label_list("jester")


def test_an_unknown_list_is_refused_with_the_nearest_names():
    with pytest.raises(UsageError, match=r"no label list is called 'Kinetics-400'; did you mean kinetics400 or "):
        label_list("Kinetics-400")
    with pytest.raises(UsageError, match=r"called '%'; there are kinetics400, .*, sports1m$"):
        label_list("%")
