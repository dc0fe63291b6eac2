"""Video files to frames to network input, and back: the only room that imports a decoder."""

from .audio import read_audio
from .augment import Augmentation, augment
from .clip import MOTION, Clip, ClipSpec
from .decode import DecoderName, Video, open_video
from .decode_torchcodec import torchcodec_problem
from .encode import Prepared, prepare_video, why_prepare
from .flow import bytes_to_flow, dense_flow, flow_between, flow_stream, flow_to_bytes, refuse_absent
from .flow_extract import Extracted, extract_flow
from .flow_fed import flow_file_of
from .flow_file import FlowHeader, flow_fields, flow_header, read_flow, read_flow_bytes
from .flow_hash import refuse_damaged, source_hash
from .flow_source import DIS_FAST, FLOW_METHODS, FLOW_SPEEDS, SPYNET, FlowMethod, FlowNetwork, FlowSource, Speed
from .flow_writer import FlowWriter
from .log_mel import log_mel, log_mel_bytes
from .modality import Footage, described, motion_in, open_input, read_input
from .order import FRAME_ORDERS, FrameOrder, reorder
from .probe import VideoInfo, probe, verify
from .residual import CompressedClip, read_compressed, residual_to_bytes
from .sample import clip_seconds, view_seconds, window_starts
from .soundtrack import Soundtrack
from .transform import crops, resize_short, to_input
from .vectors import VectorVideo, has_vectors, lacks_vectors, motion_vectors, vector_stream
from .write import VideoWriter

__all__ = [
    "DIS_FAST",
    "FLOW_METHODS",
    "FLOW_SPEEDS",
    "FRAME_ORDERS",
    "MOTION",
    "SPYNET",
    "Augmentation",
    "Clip",
    "ClipSpec",
    "CompressedClip",
    "DecoderName",
    "Extracted",
    "FlowHeader",
    "FlowMethod",
    "FlowNetwork",
    "FlowSource",
    "FlowWriter",
    "Footage",
    "FrameOrder",
    "Prepared",
    "Soundtrack",
    "Speed",
    "VectorVideo",
    "Video",
    "VideoInfo",
    "VideoWriter",
    "augment",
    "bytes_to_flow",
    "clip_seconds",
    "crops",
    "dense_flow",
    "described",
    "extract_flow",
    "flow_between",
    "flow_fields",
    "flow_file_of",
    "flow_header",
    "flow_stream",
    "flow_to_bytes",
    "has_vectors",
    "lacks_vectors",
    "log_mel",
    "log_mel_bytes",
    "motion_in",
    "motion_vectors",
    "open_input",
    "open_video",
    "prepare_video",
    "probe",
    "read_audio",
    "read_compressed",
    "read_flow",
    "read_flow_bytes",
    "read_input",
    "refuse_absent",
    "refuse_damaged",
    "reorder",
    "residual_to_bytes",
    "resize_short",
    "source_hash",
    "to_input",
    "torchcodec_problem",
    "vector_stream",
    "verify",
    "view_seconds",
    "why_prepare",
    "window_starts",
]
