"""The table of models. To add one: a file in `models`, a row here, its golden; the contract suite finds it itself."""

from functools import partial

from ..models import EfficientNetLite, FrameModel, ResNet3D
from ..nn import AttentionHead, DifferenceHead, LstmHead, MeanHead, TcnHead
from ..video import ClipSpec
from .imagenet import load_lite0, load_lite0_classifier
from .preset import Mini, Preset

R2PLUS1D = "Tran et al., CVPR 2018, arXiv:1711.11248"
LITE0 = "Tan and Le, ICML 2019, arXiv:1905.11946"

# What torchvision's weights want; for networks that start from nothing; (x - 127) / 128.
kinetics = partial(ClipSpec, mean=(0.43216, 0.394666, 0.37645), std=(0.22803, 0.22145, 0.216989), resample="bilinear")
plain = partial(ClipSpec, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
lite = partial(
    ClipSpec, mean=(127 / 255, 127 / 255, 127 / 255), std=(128 / 255, 128 / 255, 128 / 255), resample="bicubic"
)

KINETICS_16 = kinetics(frames=16, stride=2, side_px=112, short_px=128)
STAGE_16 = plain(frames=16, stride=3, side_px=64, short_px=64)
LITE_FRAMES = lite(frames=16, stride=1, side_px=224, short_px=224, sampling="uniform")
LITE_IMAGE = lite(frames=1, stride=1, side_px=224, short_px=256)

r3d = partial(ResNet3D, kinds=("3d", "3d", "3d", "3d"))
mc3 = partial(ResNet3D, kinds=("3d", "2d", "2d", "2d"))
r2plus1d = partial(ResNet3D, kinds=("2+1d", "2+1d", "2+1d", "2+1d"), stem="2+1d")

lite0_mini = partial(EfficientNetLite, stages=((1, 3, 1, 1, 4), (2, 5, 2, 2, 6)), stem=4, dim=12)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="r3d_18",
            family="R3D",
            paper=R2PLUS1D,
            build=r3d,
            classes=400,
            clip=KINETICS_16,
            mini=Mini(partial(r3d, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32),
        ),
        Preset(
            name="mc3_18",
            family="MC3",
            paper=R2PLUS1D,
            build=mc3,
            classes=400,
            clip=KINETICS_16,
            mini=Mini(partial(mc3, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32),
        ),
        Preset(
            name="r2plus1d_18",
            family="R(2+1)D",
            paper=R2PLUS1D,
            build=r2plus1d,
            classes=400,
            clip=KINETICS_16,
            mini=Mini(partial(r2plus1d, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32),
        ),
        Preset(
            name="r3d_stage",
            family="R3D",
            paper=R2PLUS1D,
            build=partial(r3d, widths=(24, 48, 96, 128), depths=(1, 1, 1, 1), stem_stride=4),
            classes=24,
            clip=STAGE_16,
            mini=Mini(partial(r3d, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32),
        ),
        Preset(
            name="r2plus1d_stage",
            family="R(2+1)D",
            paper=R2PLUS1D,
            build=partial(r2plus1d, widths=(24, 48, 96, 128), depths=(1, 1, 1, 1), stem_stride=4, stem_mid=12),
            classes=24,
            clip=STAGE_16,
            mini=Mini(partial(r2plus1d, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32),
        ),
        Preset(
            name="efficientnet_lite0",
            family="EfficientNet",
            paper=LITE0,
            build=partial(FrameModel, encoder=EfficientNetLite, head=MeanHead),
            classes=1000,
            clip=LITE_IMAGE,
            mini=Mini(partial(FrameModel, encoder=lite0_mini, head=MeanHead), frames=2, side_px=32),
            pretrained=load_lite0_classifier,
        ),
        *(
            Preset(
                name=f"efficientnet_lite0_{head_name}",
                family="frozen EfficientNet",
                paper=LITE0,
                build=partial(FrameModel, encoder=EfficientNetLite, head=head, frozen=True),
                classes=24,
                clip=LITE_FRAMES,
                mini=Mini(partial(FrameModel, encoder=lite0_mini, head=head, frozen=True), frames=4, side_px=32),
                pretrained=load_lite0,
                frozen=True,
            )
            for head_name, head in {
                "mean": MeanHead,
                "attention": AttentionHead,
                "difference": DifferenceHead,
                "lstm": LstmHead,
                "tcn": TcnHead,
            }.items()
        ),
    )
}
