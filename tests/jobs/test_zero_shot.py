"""Classes by their names, asked of small networks made here, one of which knows three colours and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional
from transformers.utils import logging

from hub_checkpoints import NETWORKS, SIDE, TEXT, VIT, WIDTH, of
from marey.app.cli import main
from marey.errors import UsageError
from marey.jobs import Silent, few_shot
from marey.metrics import draw_episodes, few_shot_accuracies, zero_shot_accuracies
from marey.models.hub_text import SharedSpace
from marey.presets import create_model, find_preset, shared_space
from marey.video import VideoWriter

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "pale_blue": (60, 60, 230)}
TELLING = ("d</w>", "n</w>", "b")  # only in red, in green and in blue; none in "a video of"
FEW: dict[str, Any] = {"ways": 3, "queries": 3, "episodes": 20, "workers": 0, "shots": "1,2"}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("colours"), ["path,label,source"]
    for label, colour in COLOURS.items():
        for number in range(5):
            name = f"{label}{number}.mp4"
            with VideoWriter(folder / name, fps=10, size=(32, 32)) as writer:
                for _ in range(8):
                    writer.write(np.full((32, 32, 3), colour, np.uint8) - np.uint8(number))
            rows.append(f"{name},{label},s{number}")
    (folder / "films.csv").write_text("\n".join(rows) + "\n")
    return folder / "films.csv"


def write_tokenizer(folder: Path) -> dict[str, int]:
    """Letters, alone and at the end of a word, and no merges of them: a small BPE."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokens = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(tokens))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(vocab=tokens, merges=[]).save_pretrained(folder)
    return tokens


def attend_to_all(layers: Any) -> None:
    """Each token takes the mean of those it sees on top of itself, once; all else passes."""
    for number, layer in enumerate(layers):
        for module in layer.modules():
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.weight)
                nn.init.zeros_(module.bias)
        if number == 0:
            nn.init.eye_(layer.self_attn.v_proj.weight)
            nn.init.eye_(layer.self_attn.out_proj.weight)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP that embeds a frame, and a text, by how much of each colour is in it."""
    folder = tmp_path_factory.mktemp("clip")
    tokens = write_tokenizer(folder)
    text = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    text |= {"vocab_size": len(tokens), "max_position_embeddings": 40, "eos_token_id": tokens["<|endoftext|>"]}
    text |= {"bos_token_id": tokens["<|startoftext|>"], "pad_token_id": tokens["<|endoftext|>"]}
    torch.manual_seed(0)
    net: Any = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=VIT, projection_dim=3))
    with torch.no_grad():
        sees, reads = net.vision_model, net.text_model
        for embeddings in (sees.embeddings, reads.embeddings):
            for parameter in embeddings.parameters():
                parameter.zero_()
        for colour, telling in enumerate(TELLING):
            sees.embeddings.patch_embedding.weight[colour, colour] = 1.0
            reads.embeddings.token_embedding.weight[tokens[telling], colour] = 1.0
        for half, projection in ((sees, net.visual_projection), (reads, net.text_projection)):
            attend_to_all(half.encoder.layers)
            projection.weight.copy_(torch.eye(3, WIDTH))
    logging.disable_progress_bar()
    net.eval().save_pretrained(folder)
    return folder


def test_names_are_enough_for_who_knows_them(clip: Path, films: Path) -> None:
    found = few_shot([f"hf:{clip}", "motion"], films, **FEW)
    named = [row for row in found.rows if row.shots == 0]
    assert [(row.encoder, row.classifier) for row in named] == [(f"hf:{clip}", "class names")]
    assert named[0].accuracy.value == pytest.approx(1) and named[0].accuracy.n == 20
    assert found.protocol["prompt"] == "a video of {}"
    deaf = few_shot(f"hf:{clip}", films, prompt="x " * 40 + "{}", **FEW)  # names come after what it can read
    assert deaf.rows[0].shots == 0 and deaf.rows[0].accuracy.value == pytest.approx(1 / 3)


def test_it_is_the_text_that_decides(clip: Path, films: Path, tmp_path: Path) -> None:
    """The same network, whose words for colours are exchanged, is wrong about all."""
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    write_tokenizer(wrong)
    net: Any = transformers.CLIPModel.from_pretrained(clip)
    with torch.no_grad():
        net.text_projection.weight.copy_(net.text_projection.weight.roll(1, 0))
    net.save_pretrained(wrong)
    assert few_shot(f"hf:{wrong}", films, **FEW).rows[0].accuracy.value == 0


def test_the_command_has_a_column_of_no_shots(clip: Path, films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"hf:{clip}", str(films), "--ways", "2", "--shots", "1", "--episodes", "5", "--workers", "0", "--quiet"]
    assert main(["few-shot", *words]) == 0
    said = capsys.readouterr().out
    assert "0 shots" in said and "class names" in said and "prompt a video of {}" in said
    assert main(["few-shot", *words, "--prompt", "a film", "--json"]) == 2
    assert "--prompt is 'a film'; write {} once where the class goes, as in 'a video of {}'" in capsys.readouterr().err


def test_a_prompt_that_nobody_reads_is_refused(films: Path) -> None:
    with pytest.raises(UsageError, match="--prompt has no effect, as no encoder reads text; name a checkpoint of CLIP"):
        few_shot("motion", films, prompt="a {}", **FEW)


def test_without_a_tokenizer_there_is_no_such_row(clip: Path, films: Path, tmp_path: Path) -> None:
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).symlink_to(clip / file)
    said: list[str] = []

    class Listener(Silent):
        def say(self, sentence: str) -> None:
            said.append(sentence)

    found = few_shot(f"hf:{tmp_path}", films, narrator=Listener(), **FEW)
    assert min(row.shots for row in found.rows) == 1 and "prompt" not in found.protocol
    assert f"hf:{tmp_path} has no tokenizer, so it is not asked by class names; fetch the whole checkpoint" in said
    assert shared_space("motion", device=torch.device("cpu")) is None


@pytest.mark.parametrize("kind", ["clip", "siglip", "xclip"])
def test_clips_and_texts_are_where_the_library_has_them(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    siglip = of("SiglipModel", "SiglipConfig", text_config={**TEXT, "hidden_size": WIDTH}, vision_config=VIT)
    net: Any = (siglip if kind == "siglip" else NETWORKS[kind])().eval()
    net.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    model = create_model(f"hf:{tmp_path}", num_classes=2).eval()
    spec = find_preset(f"hf:{tmp_path}").clip
    video = torch.randn(2, 3, spec.frames, SIDE, SIDE)
    space = SharedSpace(tmp_path, kind=kind, device=torch.device("cpu"))
    frames = video.transpose(1, 2)
    with torch.inference_mode():
        found = space.of_clips(model.encode(video))
        if kind == "xclip":
            expected = net.get_video_features(frames).pooler_output
        else:
            each = net.get_image_features(frames.flatten(0, 1)).pooler_output.unflatten(0, (2, -1))
            expected = functional.normalize(each, dim=-1).mean(1)
    torch.testing.assert_close(found, functional.normalize(expected, dim=-1))
    texts = space.of_texts(["ab", "a"] * 40)  # more than go at once, shorter than the longest
    assert texts.shape == (80, found.shape[1]) and torch.allclose(texts.norm(dim=1), torch.ones(80))
    assert torch.allclose(texts[0], texts[78], atol=1e-6) and not torch.allclose(texts[0], texts[1], atol=1e-6)
    length = 8 if kind == "siglip" else 4
    assert space._tokenizer is not None
    ids = space._tokenizer(["ab"], padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        alone = net.get_text_features(input_ids=ids["input_ids"][:, :length]).pooler_output
    torch.testing.assert_close(texts[:1], functional.normalize(alone, dim=-1))


def test_those_who_read_names_are_asked_in_the_same_episodes() -> None:
    rng = np.random.default_rng(0)
    classes, groups = np.arange(60) % 4, np.arange(60)
    features = np.eye(4)[classes] + 0.8 * rng.normal(size=(60, 4))
    episodes = list(draw_episodes(classes, groups, ways=3, shots=1, queries=5, episodes=30, seed=1))
    found = zero_shot_accuracies(features, classes, episodes)
    assert found.shape == (30,) and 0.5 < found.mean() < 1
    assert zero_shot_accuracies(np.eye(4)[classes], classes, episodes) == pytest.approx(1)
    shown = few_shot_accuracies(np.eye(4)[classes], episodes)["prototypes"]
    assert shown.shape == found.shape and shown == pytest.approx(1)
