"""The linear maps behind the kinds of pooling, each beside its adjoint, and what is built of them.

============================ ================================================================
map                          adjoint
============================ ================================================================
`winners.gather_winners`     `winners.scatter_winners`, the gradient of max pooling
`windows.windows`            `windows.overlap_add`
`columns.im2col`             `columns.col2im`
============================ ================================================================

`reduce` folds each window with a reduction of the caller's (by `fold`), `cells` moves cells and
windows. `derivative` has forward mode, reverse mode and double backward for every kind in `sorts`.
"""
