"""Whether a chunk's frames stay in planes, so that the device converts their colours, or become pixels on the processor."""

from __future__ import annotations

from importlib.util import find_spec

from scorer import models
from scorer.documents.plan import Plan
from scorer.job.model_stage import ModelStage
from scorer.job.planes_stage import PlanesStage
from scorer.media.video import VideoInfo, encoding_of
from scorer.media.video.planes import PlaneForm, form_of
from scorer.models import Model

DEVICES = frozenset({"cuda"})
"""On which colours are converted. On a processor OpenVINO takes pixels, and swscale is quicker than torch."""


def planes_stage(plan: Plan, stage: ModelStage, model: Model, device: str) -> PlanesStage | str | None:
    """The stage for frames in planes; or what wants pixels, in a word or two; None where no other device computes."""
    if device not in DEVICES or plan.video is None or find_spec("torch") is None:
        return None
    from scorer.models.torch_runtime import TorchModel

    if type(model) is not TorchModel:  # whoever derives from it may do something with pixels
        return "model"
    if wants := _wants_pixels(plan, plan.video):
        return wants
    if (target := _target(plan, plan.video)) is None:
        return "pixel format"

    from scorer.job.planes_torch import Flights
    from scorer.models.torch_planes import Conversion

    turn, strength = (plan.video.rotation, plan.video.mirrored), plan.request.strength
    return PlanesStage(stage, lambda source: Flights(model, Conversion(source, target, *turn, strength)))


def _wants_pixels(plan: Plan, info: VideoInfo) -> str:
    request = plan.request
    needs = {
        "size": request.size is not None,
        "transparency": encoding_of(info, request.coding, info.width, info.height).alpha,
        "strength over time": bool(request.strengths),
        "colors": request.keep_colors != 0,
        "stroke size": request.stroke_size != 1,
        "styles over time": request.has_timed_styles,
        "steady": request.steady != "off",
        "mask": bool(request.mask),
        "narrow frames": min(info.width, info.height) < models.spec(request.model).least_side,
    }
    return next((what for what, is_needed in needs.items() if is_needed), "")


def _target(plan: Plan, info: VideoInfo) -> PlaneForm | None:
    encoding = encoding_of(info, plan.request.coding, info.width, info.height)
    return form_of(encoding.pixel_format, info.width, info.height, info.matrix, full_range=encoding.full_range)
