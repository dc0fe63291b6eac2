"""What a pickle asks for, found without running it, and inert stand-ins for the numpy arrays that one may hold.

A pickle is a program: opcodes that name functions and call them. Here it is read as a list first; a name outside of a
short list refuses the file, whatever would have been done with it.
"""

import pickletools
import re
from collections.abc import Callable, Collection, Iterator
from io import BytesIO
from mmap import mmap
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ..errors import CheckpointError

Stream = BytesIO | mmap
BROKEN = (EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError, MemoryError, OverflowError)
RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # modules of Python 2 under today's names
_STRINGS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING", "STRING")
MODULE_PARTS = ("_parameters", "_buffers", "_modules")  # attributes of every nn.Module, strings in its pickle
_SYSTEM = ("builtins", "os", "posix", "nt", "sys", "subprocess", "shutil", "socket", "pathlib", "importlib", "runpy",
           "ctypes", "extension")  # fmt: skip
_SCALARS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def check_pickle(path: Path, stream: Stream, *, allowed: Callable[[str], bool]) -> None:
    """Reads one pickle from the stream without running it, and leaves the stream behind its end.

    Raises CheckpointError for a name that is not `allowed`, for one that is put together while it runs, and for a
    memo that claims more room than the pickle has opcodes.
    """
    start, refused = stream.tell(), list[str]()
    try:
        refused.extend(asked for asked in names_asked(path, stream) if not allowed(asked))
    except CheckpointError:
        if not refused:
            raise
    acts = [asked for asked in refused if re.split(r"[. ]", asked)[0] in _SYSTEM]
    if refused:
        stream.seek(start)
        whole = not acts and _is_module(stream)
        raise whole_model(path, refused[0]) if whole else hostile(path, (acts or refused)[0])


def hostile(path: Path, asked: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: asks Python for {asked} as it is opened, which weights never need; nothing was run, "
        "so do not trust this file and get the weights from their authors"
    )


def whole_model(path: Path, asked: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: holds a pickled model object ({asked}), not its weights; nothing was run, "
        "so save its state_dict() where its code is at hand"
    )


def _is_module(stream: Stream) -> bool:
    """Whether a pickle has the parts of an nn.Module, as torch.save(model) writes it."""
    lacking = set(MODULE_PARTS)
    try:
        for opcode, argument, _ in pickletools.genops(cast(IO[bytes], stream)):
            if opcode.name in _STRINGS:
                lacking.discard(str(argument))
    except BROKEN:  # what it asked for before it breaks off refuses it in any case
        return False
    return not lacking


def damaged(path: Path, reason: object) -> CheckpointError:
    words = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
    return CheckpointError(f"{path}: is truncated or damaged ({words}); copy or download it again")


def names_asked(path: Path, stream: Stream) -> Iterator[str]:
    """ "module.name" of everything that the pickle would import."""
    recent, memo, count = ["", ""], dict[int, str](), 0
    try:
        for opcode, argument, _ in pickletools.genops(cast(IO[bytes], stream)):
            count += 1
            if opcode.name in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                yield f"{RENAMED.get(module, module)}.{name}"
            elif opcode.name == "STACK_GLOBAL":
                yield f"{recent[0]}.{recent[1]}"
            elif opcode.name in ("EXT1", "EXT2", "EXT4"):
                yield f"extension {argument}"
            elif opcode.name in _STRINGS:
                recent = [recent[1], str(argument)]
            elif opcode.name == "MEMOIZE":
                memo[len(memo)] = recent[1]
            elif opcode.name.endswith("PUT"):
                if int(str(argument)) > count:
                    raise ValueError(f"its memo claims {argument} entries after {count} opcodes")
                memo[int(str(argument))] = recent[1]
            elif opcode.name.endswith("GET"):
                recent = [recent[1], memo.get(int(str(argument)), "")]
    except BROKEN as error:
        raise damaged(path, error) from error


class Budget:
    """How many bytes of arrays a file may still give; a small file that unfolds into a huge one runs out."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = 2 * size + 4096

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ValueError("its arrays claim more bytes than the file has")


class DtypeStandIn:
    """What a pickled numpy.dtype comes to: a code of `_SCALARS` and a byte order, or None for any other."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code if code in _SCALARS else None
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def read(self, data: bytes | str) -> np.ndarray | None:
        """The flat values; text is Python 2's bytes, decoded as Latin-1."""
        if self.code is None:
            return None
        data = data.encode("latin-1") if isinstance(data, str) else data
        return np.frombuffer(data, np.dtype(f"{self.order}{self.code}")).astype(self.code)


class ArrayStandIn:
    """What a pickled numpy array comes to: `value`, or None for one of objects or text."""

    __slots__ = ("budget", "value")

    def __init__(self, budget: Budget) -> None:
        self.budget, self.value = budget, None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, columns_first, data = state
        if not isinstance(dtype, DtypeStandIn) or not isinstance(data, bytes | str):
            return
        self.budget.spend(len(data))
        values = dtype.read(data)
        if values is not None:
            self.value = values.reshape(shape, order="F" if columns_first else "C")


class Blank:
    """numpy's `_reconstruct`: an empty array that the pickle then fills."""

    __slots__ = ("budget",)

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def __call__(self, kind: Any, shape: Any, code: Any) -> ArrayStandIn:
        return ArrayStandIn(self.budget)


class Scalar:
    """numpy's `scalar`: one number from its bytes."""

    __slots__ = ()

    def __call__(self, dtype: Any, data: bytes | str = b"") -> np.ndarray | None:
        return dtype.read(data) if isinstance(dtype, DtypeStandIn) else None


class ToBytes:
    """`_codecs.encode`, by which Python 3 writes bytes for Python 2."""

    __slots__ = ("budget",)

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def __call__(self, text: str, encoding: str = "latin1") -> bytes:
        self.budget.spend(len(text))
        return text.encode("latin-1")


class Forgotten:
    """In place of settings and logs that training code keeps beside the weights: takes anything, holds nothing."""

    __slots__ = ()

    def __new__(cls, *_: Any) -> "Forgotten":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Whatever it was, it is dropped."""


def numpy_stand_ins(budget: Budget) -> dict[str, Any]:
    """Name in a pickle -> what stands in for it; nothing of numpy itself is called by the pickle."""
    found: dict[str, Any] = {"numpy.ndarray": "ndarray", "numpy.dtype": DtypeStandIn}
    for package in ("numpy.core", "numpy._core"):
        found[f"{package}.multiarray._reconstruct"] = Blank(budget)
        found[f"{package}.multiarray.scalar"] = Scalar()
    return found


def arrays_of(state: Any, skip: Collection[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of a dict that was read with stand-ins."""
    return {
        name: item.value
        for name, item in state.items()
        if isinstance(name, str) and isinstance(item, ArrayStandIn) and item.value is not None and name not in skip
    }
