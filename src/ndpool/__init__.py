"""Pooling for NumPy arrays, forward and backward."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engines.native import set_kept_memory, set_num_threads
from .errors import PoolError
from .layers import MaxPool
from .pool import convert_indices, max_pool, max_pool_backward

if TYPE_CHECKING:
    from .check.checking import check as check
    from .explain.trace import explain as explain
    from .kinds.adaptive import AdaptiveAvgPool as AdaptiveAvgPool
    from .kinds.adaptive import AdaptiveMaxPool as AdaptiveMaxPool
    from .kinds.adaptive import adaptive_avg_pool as adaptive_avg_pool
    from .kinds.adaptive import adaptive_avg_pool_backward as adaptive_avg_pool_backward
    from .kinds.adaptive import adaptive_max_pool as adaptive_max_pool
    from .kinds.adaptive import adaptive_max_pool_backward as adaptive_max_pool_backward
    from .kinds.align import RoIAlign as RoIAlign
    from .kinds.align import roi_align as roi_align
    from .kinds.align import roi_align_backward as roi_align_backward
    from .kinds.average import AvgPool as AvgPool
    from .kinds.average import avg_pool as avg_pool
    from .kinds.average import avg_pool_backward as avg_pool_backward
    from .kinds.blur import BlurPool as BlurPool
    from .kinds.blur import blur_pool as blur_pool
    from .kinds.blur import blur_pool_backward as blur_pool_backward
    from .kinds.fractional import FractionalMaxPool as FractionalMaxPool
    from .kinds.fractional import fractional_max_pool as fractional_max_pool
    from .kinds.fractional import fractional_max_pool_backward as fractional_max_pool_backward
    from .kinds.gem import GeMPool as GeMPool
    from .kinds.gem import gem_pool as gem_pool
    from .kinds.gem import gem_pool_backward as gem_pool_backward
    from .kinds.max_blur import MaxBlurPool as MaxBlurPool
    from .kinds.max_blur import max_blur_pool as max_blur_pool
    from .kinds.max_blur import max_blur_pool_backward as max_blur_pool_backward
    from .kinds.median import MedianPool as MedianPool
    from .kinds.median import median_pool as median_pool
    from .kinds.median import median_pool_backward as median_pool_backward
    from .kinds.minimum import MinPool as MinPool
    from .kinds.minimum import min_pool as min_pool
    from .kinds.minimum import min_pool_backward as min_pool_backward
    from .kinds.mixed import MixedPool as MixedPool
    from .kinds.mixed import mixed_pool as mixed_pool
    from .kinds.mixed import mixed_pool_backward as mixed_pool_backward
    from .kinds.norm import LPPool as LPPool
    from .kinds.norm import lp_pool as lp_pool
    from .kinds.norm import lp_pool_backward as lp_pool_backward
    from .kinds.pyramid import SpatialPyramidPool as SpatialPyramidPool
    from .kinds.pyramid import spatial_pyramid_pool as spatial_pyramid_pool
    from .kinds.pyramid import spatial_pyramid_pool_backward as spatial_pyramid_pool_backward
    from .kinds.roi import RoIPool as RoIPool
    from .kinds.roi import roi_max_pool as roi_max_pool
    from .kinds.roi import roi_max_pool_backward as roi_max_pool_backward
    from .kinds.soft import SoftPool as SoftPool
    from .kinds.soft import soft_pool as soft_pool
    from .kinds.soft import soft_pool_backward as soft_pool_backward
    from .kinds.stochastic import StochasticPool as StochasticPool
    from .kinds.stochastic import stochastic_pool as stochastic_pool
    from .kinds.stochastic import stochastic_pool_backward as stochastic_pool_backward
    from .kinds.total import SumPool as SumPool
    from .kinds.total import sum_pool as sum_pool
    from .kinds.total import sum_pool_backward as sum_pool_backward
    from .kinds.unpool import MaxUnpool as MaxUnpool
    from .kinds.unpool import max_unpool as max_unpool
    from .kinds.unpool import max_unpool_backward as max_unpool_backward
    from .kinds.weights import avg_pool_weights_backward as avg_pool_weights_backward
    from .kinds.whole_sums import GlobalAvgPool as GlobalAvgPool
    from .kinds.whole_sums import GlobalLPPool as GlobalLPPool
    from .kinds.whole_sums import GlobalSumPool as GlobalSumPool
    from .kinds.whole_sums import global_avg_pool as global_avg_pool
    from .kinds.whole_sums import global_avg_pool_backward as global_avg_pool_backward
    from .kinds.whole_sums import global_lp_pool as global_lp_pool
    from .kinds.whole_sums import global_lp_pool_backward as global_lp_pool_backward
    from .kinds.whole_sums import global_sum_pool as global_sum_pool
    from .kinds.whole_sums import global_sum_pool_backward as global_sum_pool_backward
    from .kinds.whole_winners import GlobalMaxPool as GlobalMaxPool
    from .kinds.whole_winners import GlobalMinPool as GlobalMinPool
    from .kinds.whole_winners import global_max_pool as global_max_pool
    from .kinds.whole_winners import global_max_pool_backward as global_max_pool_backward
    from .kinds.whole_winners import global_min_pool as global_min_pool
    from .kinds.whole_winners import global_min_pool_backward as global_min_pool_backward
    from .maps.columns import col2im as col2im
    from .maps.columns import im2col as im2col
    from .maps.derivative import double_backward as double_backward
    from .maps.derivative import jvp as jvp
    from .maps.derivative import vjp as vjp
    from .maps.reduce import reduce_windows as reduce_windows
    from .maps.windows import overlap_add as overlap_add
    from .maps.windows import windows as windows
    from .maps.winners import gather_winners as gather_winners
    from .maps.winners import scatter_winners as scatter_winners

__version__ = "0.1.0"
__all__ = [
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "AvgPool",
    "BlurPool",
    "FractionalMaxPool",
    "GeMPool",
    "GlobalAvgPool",
    "GlobalLPPool",
    "GlobalMaxPool",
    "GlobalMinPool",
    "GlobalSumPool",
    "LPPool",
    "MaxBlurPool",
    "MaxPool",
    "MaxUnpool",
    "MedianPool",
    "MinPool",
    "MixedPool",
    "PoolError",
    "RoIAlign",
    "RoIPool",
    "SoftPool",
    "SpatialPyramidPool",
    "StochasticPool",
    "SumPool",
    "adaptive_avg_pool",
    "adaptive_avg_pool_backward",
    "adaptive_max_pool",
    "adaptive_max_pool_backward",
    "avg_pool",
    "avg_pool_backward",
    "avg_pool_weights_backward",
    "blur_pool",
    "blur_pool_backward",
    "check",
    "col2im",
    "convert_indices",
    "double_backward",
    "explain",
    "fractional_max_pool",
    "fractional_max_pool_backward",
    "gather_winners",
    "gem_pool",
    "gem_pool_backward",
    "global_avg_pool",
    "global_avg_pool_backward",
    "global_lp_pool",
    "global_lp_pool_backward",
    "global_max_pool",
    "global_max_pool_backward",
    "global_min_pool",
    "global_min_pool_backward",
    "global_sum_pool",
    "global_sum_pool_backward",
    "im2col",
    "jvp",
    "lp_pool",
    "lp_pool_backward",
    "max_blur_pool",
    "max_blur_pool_backward",
    "max_pool",
    "max_pool_backward",
    "max_unpool",
    "max_unpool_backward",
    "median_pool",
    "median_pool_backward",
    "min_pool",
    "min_pool_backward",
    "mixed_pool",
    "mixed_pool_backward",
    "overlap_add",
    "reduce_windows",
    "roi_align",
    "roi_align_backward",
    "roi_max_pool",
    "roi_max_pool_backward",
    "scatter_winners",
    "set_kept_memory",
    "set_num_threads",
    "soft_pool",
    "soft_pool_backward",
    "spatial_pyramid_pool",
    "spatial_pyramid_pool_backward",
    "stochastic_pool",
    "stochastic_pool_backward",
    "sum_pool",
    "sum_pool_backward",
    "vjp",
    "windows",
]
# What is imported when it is first asked for, so that `import ndpool` stays as light as NumPy's:
# modules that can be called (see `ndpool.callable`), names by their module in `kinds` or `maps`.
_CALLABLE_MODULES = ("check", "explain")
_KINDS = {
    "adaptive": (
        "AdaptiveAvgPool",
        "AdaptiveMaxPool",
        "adaptive_avg_pool",
        "adaptive_avg_pool_backward",
        "adaptive_max_pool",
        "adaptive_max_pool_backward",
    ),
    "align": ("RoIAlign", "roi_align", "roi_align_backward"),
    "average": ("AvgPool", "avg_pool", "avg_pool_backward"),
    "blur": ("BlurPool", "blur_pool", "blur_pool_backward"),
    "fractional": (
        "FractionalMaxPool",
        "fractional_max_pool",
        "fractional_max_pool_backward",
    ),
    "gem": ("GeMPool", "gem_pool", "gem_pool_backward"),
    "max_blur": ("MaxBlurPool", "max_blur_pool", "max_blur_pool_backward"),
    "median": ("MedianPool", "median_pool", "median_pool_backward"),
    "minimum": ("MinPool", "min_pool", "min_pool_backward"),
    "mixed": ("MixedPool", "mixed_pool", "mixed_pool_backward"),
    "norm": ("LPPool", "lp_pool", "lp_pool_backward"),
    "pyramid": (
        "SpatialPyramidPool",
        "spatial_pyramid_pool",
        "spatial_pyramid_pool_backward",
    ),
    "roi": ("RoIPool", "roi_max_pool", "roi_max_pool_backward"),
    "soft": ("SoftPool", "soft_pool", "soft_pool_backward"),
    "stochastic": ("StochasticPool", "stochastic_pool", "stochastic_pool_backward"),
    "total": ("SumPool", "sum_pool", "sum_pool_backward"),
    "unpool": ("MaxUnpool", "max_unpool", "max_unpool_backward"),
    "weights": ("avg_pool_weights_backward",),
    "whole_sums": (
        "GlobalAvgPool",
        "GlobalLPPool",
        "GlobalSumPool",
        "global_avg_pool",
        "global_avg_pool_backward",
        "global_lp_pool",
        "global_lp_pool_backward",
        "global_sum_pool",
        "global_sum_pool_backward",
    ),
    "whole_winners": (
        "GlobalMaxPool",
        "GlobalMinPool",
        "global_max_pool",
        "global_max_pool_backward",
        "global_min_pool",
        "global_min_pool_backward",
    ),
}
_MAPS = {
    "columns": ("col2im", "im2col"),
    "derivative": ("double_backward", "jvp", "vjp"),
    "reduce": ("reduce_windows",),
    "windows": ("overlap_add", "windows"),
    "winners": ("gather_winners", "scatter_winners"),
}


def __getattr__(name: str) -> Any:
    if name in _CALLABLE_MODULES:
        return import_module(f".{name}", __name__)
    for folder, modules in (("kinds", _KINDS), ("maps", _MAPS)):
        for module, names in modules.items():
            if name in names:
                found = getattr(import_module(f".{folder}.{module}", __name__), name)
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
