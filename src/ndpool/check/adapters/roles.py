"""What the parameters of other people's layers mean, told by their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..geometry import Pool

_NAMES = {
    "kernel": """kernel_size kernel ksize k size pool pool_size pool_shape pooling_shape
        pooling_size window window_size window_shape filter_size filter filter_shape f_size f
        kernel_shape pooling_dim pool_dim ps block_size block flt_size pool_kernel ws
        pooling_window pool_window region region_size pooling n_pool ks""",
    "kernel_h": """pool_h pool_height kernel_h kernel_height k_h kh filter_h filter_height flt_h hh
        f_h window_h window_height pool_rows h_pool pooling_height pooling_h size_h""",
    "kernel_w": """pool_w pool_width kernel_w kernel_width k_w kw filter_w filter_width flt_w ww
        f_w window_w window_width pool_cols w_pool pooling_width pooling_w size_w""",
    "stride": "stride strides s step stride_size stride_shape step_size steps st",
    "stride_h": "stride_h s_h sh stride_height h_stride stride_y stride_rows",
    "stride_w": "stride_w s_w sw stride_width w_stride stride_x stride_cols",
    "pad": "pad padding p pads pad_size padding_size pad_width zero_padding zero_pad border margin",
    "pad_h": "pad_h padding_h pad_height pad_y",
    "pad_w": "pad_w padding_w pad_x",
    "dilation": "dilation dilations dilate",
    "ceil": "ceil_mode ceil",
    "height": "x_h height in_h input_height input_h img_h image_h h_in in_height image_height hx",
    "width": "x_w width in_w input_width input_w img_w image_w w_in in_width image_width wx",
    "channels": """x_ch channels in_channels c in_ch n_ch num_channels depth input_channels
        n_channels ch c_in num_filters n_filters input_depth""",
    "images": "n batch batch_size n_bt m bs",
    "shape": """input_shape in_shape x_shape x_dim input_dim input_size shape in_dim image_shape
        input_dims""",
    "options": """pool_param pool_params hparameters hparams params config hyperparameters
        pooling_params param options hp pool_config opt args""",
    "mode": "mode method pool_type pooling_type type kind pool_mode pooling_mode",
    "name": "name layer_name id",
    "rate": "lr learn_rate learning_rate eta alpha rate l_rate",
    "training": "training is_training train train_mode is_train mode_train",
    "cache": "cache memory ctx context saved state",
    "indices": "indices idx index max_idx argmax switches mask arg_max max_indices",
    "return_indices": "return_indices return_index with_indices return_cache",
    "x": """x a_prev input inputs images image img data in_data z feature_map input_data inp
        x_in feature_maps input_tensor in_tensor a arr array matrix tensor batch_x input_image""",
    "y": "y out output outputs pooled",
}
_ROLE_OF = {name.replace("_", ""): role for role, names in _NAMES.items() for name in names.split()}
GEOMETRY = frozenset(_NAMES) - {"rate", "training", "cache", "indices", "x", "y"}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    role: str | None
    required: bool
    default: Any
    annotation: str
    positional: bool

    @property
    def wants_pair(self) -> bool:
        """Whether one for each side is what it is made for."""
        if isinstance(self.default, (tuple, list)):
            return True
        if isinstance(self.default, int):
            return False
        if any(word in self.annotation.lower() for word in ("tuple", "list", "sequence")):
            return True
        return self.name.endswith(("shape", "_dim", "dims"))


def role_of(name: str) -> str | None:
    """What a parameter of this name means.

    >>> role_of("pool_h"), role_of("kernelSize"), role_of("colour")
    ('kernel_h', 'kernel', None)
    """
    return _ROLE_OF.get(name.lower().replace("_", ""))


def parameters(call: Callable[..., Any]) -> list[Parameter] | None:
    """The named parameters of a call without self; None where they cannot be found out."""
    try:
        found = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return None
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return _settled(
        [
            Parameter(
                p.name,
                None if _is_target(p) else role_of(p.name),
                p.default is p.empty,
                None if p.default is p.empty else p.default,
                "" if p.annotation is p.empty else str(p.annotation),
                p.kind is not p.KEYWORD_ONLY,
            )
            for p in named
        ]
    )


def _is_target(parameter: inspect.Parameter) -> bool:
    """Whether it is NumPy's ``*, out=None``: an array to write to, none to read."""
    is_keyword = parameter.kind is parameter.KEYWORD_ONLY
    return parameter.name == "out" and is_keyword and parameter.default is None


def takes_anything(call: Callable[..., Any]) -> bool:
    """Whether it takes **kwargs."""
    try:
        return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        return False


def _settled(found: list[Parameter]) -> list[Parameter]:
    """h and w, ph and pw mean one thing beside a kernel, and another where there is none."""
    roles = {p.role for p in found}
    has_kernel = bool(roles & {"kernel", "kernel_h", "options"})
    meaning = (
        {"h": "height", "w": "width", "ph": "pad_h", "pw": "pad_w"}
        if has_kernel
        else {"h": "kernel_h", "w": "kernel_w", "ph": "kernel_h", "pw": "kernel_w"}
    )
    settled = []
    for p in found:
        role = meaning.get(p.name.lower().replace("_", ""), p.role)
        settled.append(Parameter(p.name, role, p.required, p.default, p.annotation, p.positional))
    return settled


def options_for(pool: Pool) -> dict[str, Any]:
    """A dictionary that answers to whatever name a layer looks up."""
    (h, w), (s, t), (p, q) = pool.kernel, pool.stride, pool.before
    answers: dict[str, Any] = {}
    for role, value in {
        "kernel": h if h == w else (h, w),
        "kernel_h": h,
        "kernel_w": w,
        "stride": s if s == t else (s, t),
        "stride_h": s,
        "stride_w": t,
        "pad": p if p == q else (p, q),
        "pad_h": p,
        "pad_w": q,
    }.items():
        answers.update(dict.fromkeys(_NAMES[role].split(), value))
    return {**answers, "mode": "max", "type": "max"}
