// Max pooling, forward with winners and backward; compiled once for each instruction set.
//
// Which way a call goes, bind.cc asks the plans: small windows and small outer cells have ways of
// their own, straight from the user's arrays (beside.h, columns.h, runs.h, stretches.h, across.h,
// direct.h, narrow.h, shifts.h, stacked.h, strips.h, sliding.h; backward columns.h, pieces.h,
// line.h, gather_across.h, pairs_across.h, pairs.h, scatter_rows.h); everything else goes by tiles
// (fold.h; backward gradient.h).

#include "across.h"
#include "beside.h"
#include "columns.h"
#include "direct.h"
#include "fold.h"
#include "gather_across.h"
#include "gradient.h"
#include "line.h"
#include "narrow.h"
#include "pairs.h"
#include "pairs_across.h"
#include "pieces.h"
#include "runs.h"
#include "scatter_rows.h"
#include "shifts.h"
#include "sliding.h"
#include "stacked.h"
#include "stretches.h"
#include "strips.h"

#ifndef NDPOOL_ISA
#error "NDPOOL_ISA names the instruction set, as in kernels_avx2"
#endif

namespace ndpool {

extern const Kernels NDPOOL_ISA;
const Kernels NDPOOL_ISA = {
#if defined(NDPOOL_AVX512)
    "AVX-512",
#elif defined(__AVX2__)
    "AVX2",
#elif defined(__x86_64__)
    "SSE2",
#elif defined(__aarch64__)
    "NEON",
#else
    "baseline",
#endif
    kVectorBytes,
    find_cells,
    find_places,
    // forward: bool, int8, uint8, ... in the order of Kind; then wide
    {forward<uint8_t, uint8_t>, forward<int8_t, int8_t>, forward<uint8_t, uint8_t>,
     forward<int16_t, int16_t>, forward<uint16_t, uint16_t>, forward<int32_t, int32_t>,
     forward<uint32_t, uint32_t>, forward<int64_t, int64_t>, forward<uint64_t, uint64_t>,
     forward_halves<Half>, forward_halves<Brain>, forward<float, float>, forward<double, double>},
    {forward<uint8_t, int32_t>, forward<int8_t, int32_t>, forward<uint8_t, int32_t>,
     forward<int16_t, int32_t>, forward<uint16_t, int32_t>},
    {beside<uint8_t, int32_t>, beside<int8_t, int32_t>, beside<uint8_t, int32_t>,
     beside<int16_t, int32_t>, beside<uint16_t, int32_t>, beside<int32_t, int32_t>,
     beside<uint32_t, uint32_t>, beside<int64_t, int64_t>, beside<uint64_t, uint64_t>,
     beside<Half, float>, beside<Brain, float>, beside<float, float>, beside<double, double>},
    {columns<uint8_t, int32_t>, columns<int8_t, int32_t>, columns<uint8_t, int32_t>,
     columns<int16_t, int32_t>, columns<uint16_t, int32_t>, columns<int32_t, int32_t>,
     columns<uint32_t, uint32_t>, columns<int64_t, int64_t>, columns<uint64_t, uint64_t>,
     columns<Half, float>, columns<Brain, float>, columns<float, float>, columns<double, double>},
    {runs<uint8_t, uint8_t>, runs<int8_t, int8_t>, runs<uint8_t, uint8_t>, runs<int16_t, int16_t>,
     runs<uint16_t, uint16_t>, runs<int32_t, int32_t>, runs<uint32_t, uint32_t>,
     runs<int64_t, int64_t>, runs<uint64_t, uint64_t>, runs<Half, float>, runs<Brain, float>,
     runs<float, float>, runs<double, double>},
    {stacked<uint8_t, uint8_t>, stacked<int8_t, int8_t>, stacked<uint8_t, uint8_t>,
     stacked<int16_t, int16_t>, stacked<uint16_t, uint16_t>, stacked<int32_t, int32_t>,
     stacked<uint32_t, uint32_t>, stacked<int64_t, int64_t>, stacked<uint64_t, uint64_t>,
     stacked<Half, float>, stacked<Brain, float>, stacked<float, float>, stacked<double, double>},
#if defined(__AVX2__)
    {shifts<uint8_t, uint8_t>, shifts<int8_t, int8_t>, shifts<uint8_t, uint8_t>,
     shifts<int16_t, int16_t>, shifts<uint16_t, uint16_t>, shifts<int32_t, int32_t>,
     shifts<uint32_t, uint32_t>, shifts<int64_t, int64_t>, shifts<uint64_t, uint64_t>,
     shifts<Half, int16_t>, shifts<Brain, int16_t>, shifts<float, float>, shifts<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {strips<uint8_t, uint8_t>, strips<int8_t, int8_t>, strips<uint8_t, uint8_t>,
     strips<int16_t, int16_t>, strips<uint16_t, uint16_t>, strips<int32_t, int32_t>,
     strips<uint32_t, uint32_t>, strips<int64_t, int64_t>, strips<uint64_t, uint64_t>,
     strips<Half, int16_t>, strips<Brain, int16_t>, strips<float, float>, strips<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {sliding<uint8_t, uint8_t, int16_t>, sliding<int8_t, int8_t, int16_t>,
     sliding<uint8_t, uint8_t, int16_t>, sliding<int16_t, int16_t>, sliding<uint16_t, uint16_t>,
     sliding<int32_t, int32_t>, sliding<uint32_t, uint32_t>, sliding<int64_t, int64_t>,
     sliding<uint64_t, uint64_t>, sliding_halves<Half>, sliding_halves<Brain>,
     sliding<float, float>, sliding<double, double>},
#else
    {},
#endif
#if defined(NDPOOL_AVX512)
    {stretches<uint8_t, uint8_t>, stretches<int8_t, int8_t>, stretches<uint8_t, uint8_t>,
     stretches<int16_t, int16_t>, stretches<uint16_t, uint16_t>, stretches<int32_t, int32_t>,
     stretches<uint32_t, uint32_t>, stretches<int64_t, int64_t>, stretches<uint64_t, uint64_t>,
     stretches<Half, int16_t>, stretches<Brain, int16_t>, stretches<float, float>,
     stretches<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {across<uint8_t, uint8_t>, across<int8_t, int8_t>, across<uint8_t, uint8_t>,
     across<int16_t, int16_t>, across<uint16_t, uint16_t>, across<int32_t, int32_t>,
     across<uint32_t, uint32_t>, across<int64_t, int64_t>, across<uint64_t, uint64_t>,
     across<Half, int16_t>, across<Brain, int16_t>, across<float, float>, across<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {direct<uint8_t, uint8_t>, direct<int8_t, int8_t>, direct<uint8_t, uint8_t>,
     direct<int16_t, int16_t>, direct<uint16_t, uint16_t>, direct<int32_t, int32_t>,
     direct<uint32_t, uint32_t>, direct<int64_t, int64_t>, direct<uint64_t, uint64_t>,
     direct_halves<Half>, direct_halves<Brain>, direct<float, float>, direct<double, double>},
#else
    {},
#endif
#if defined(NDPOOL_AVX512)
    {nullptr, nullptr, nullptr, narrow_rows<int16_t, int16_t>, narrow_rows<uint16_t, uint16_t>,
     narrow_rows<int32_t, int32_t>, narrow_rows<uint32_t, uint32_t>, narrow_rows<int64_t, int64_t>,
     narrow_rows<uint64_t, uint64_t>, narrow_halves<Half>, narrow_halves<Brain>,
     narrow_rows<float, float>, narrow_rows<double, double>},
#else
    {},
#endif
// backward: sums of integers are the same for signed and unsigned; bool has none
#if defined(__AVX2__)
    {nullptr, in_pieces<uint8_t, uint8_t>, in_pieces<uint8_t, uint8_t>,
     in_pieces<uint16_t, uint16_t>, in_pieces<uint16_t, uint16_t>, in_pieces<uint32_t, uint32_t>,
     in_pieces<uint32_t, uint32_t>, in_pieces<uint64_t, uint64_t>, in_pieces<uint64_t, uint64_t>,
     in_pieces<Half, uint16_t>, in_pieces<Brain, uint16_t>, in_pieces<float, float>,
     in_pieces<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {nullptr, gather_across<uint8_t, uint8_t>, gather_across<uint8_t, uint8_t>,
     gather_across<uint16_t, uint16_t>, gather_across<uint16_t, uint16_t>,
     gather_across<uint32_t, uint32_t>, gather_across<uint32_t, uint32_t>,
     gather_across<uint64_t, uint64_t>, gather_across<uint64_t, uint64_t>,
     gather_across<Half, float>, gather_across<Brain, float>, gather_across<float, float>,
     gather_across<double, double>},
    {nullptr, pairs_across<uint8_t, uint8_t>, pairs_across<uint8_t, uint8_t>,
     pairs_across<uint16_t, uint16_t>, pairs_across<uint16_t, uint16_t>,
     pairs_across<uint32_t, uint32_t>, pairs_across<uint32_t, uint32_t>,
     pairs_across<uint64_t, uint64_t>, pairs_across<uint64_t, uint64_t>, pairs_across<Half, float>,
     pairs_across<Brain, float>, pairs_across<float, float>, pairs_across<double, double>},
    {nullptr, in_pairs<uint8_t, uint8_t>, in_pairs<uint8_t, uint8_t>, in_pairs<uint16_t, uint16_t>,
     in_pairs<uint16_t, uint16_t>, in_pairs<uint32_t, uint32_t>, in_pairs<uint32_t, uint32_t>,
     in_pairs<uint64_t, uint64_t>, in_pairs<uint64_t, uint64_t>, in_pairs<Half, float>,
     in_pairs<Brain, float>, in_pairs<float, float>, in_pairs<double, double>},
#else
    {},
    {},
    {},
#endif
    {nullptr, line_gather<uint8_t, uint8_t>, line_gather<uint8_t, uint8_t>,
     line_gather<uint16_t, uint16_t>, line_gather<uint16_t, uint16_t>,
     line_gather<uint32_t, uint32_t>, line_gather<uint32_t, uint32_t>,
     line_gather<uint64_t, uint64_t>, line_gather<uint64_t, uint64_t>, line_gather<Half, float>,
     line_gather<Brain, float>, line_gather<float, float>, line_gather<double, double>},
    {nullptr, gathering<uint8_t, uint8_t>, gathering<uint8_t, uint8_t>,
     gathering<uint16_t, uint16_t>, gathering<uint16_t, uint16_t>, gathering<uint32_t, uint32_t>,
     gathering<uint32_t, uint32_t>, gathering<uint64_t, uint64_t>, gathering<uint64_t, uint64_t>,
     gathering<Half, float>, gathering<Brain, float>, gathering<float, float>,
     gathering<double, double>},
    {nullptr, spreading<uint8_t, uint8_t>, spreading<uint8_t, uint8_t>,
     spreading<uint16_t, uint16_t>, spreading<uint16_t, uint16_t>, spreading<uint32_t, uint32_t>,
     spreading<uint32_t, uint32_t>, spreading<uint64_t, uint64_t>, spreading<uint64_t, uint64_t>,
     spreading_halves<Half>, spreading_halves<Brain>, spreading<float, float>,
     spreading<double, double>},
#if defined(NDPOOL_BASELINE)
    // scatter: one by one, so wider vectors would gain nothing; winners of any width do
    {nullptr, scattering<uint8_t, uint8_t>, scattering<uint8_t, uint8_t>,
     scattering<uint16_t, uint16_t>, scattering<uint16_t, uint16_t>, scattering<uint32_t, uint32_t>,
     scattering<uint32_t, uint32_t>, scattering<uint64_t, uint64_t>, scattering<uint64_t, uint64_t>,
     scattering<Half, float>, scattering<Brain, float>, scattering<float, float>,
     scattering<double, double>},
    {nullptr, scatter_rows<uint8_t, uint8_t>, scatter_rows<uint8_t, uint8_t>,
     scatter_rows<uint16_t, uint16_t>, scatter_rows<uint16_t, uint16_t>,
     scatter_rows<uint32_t, uint32_t>, scatter_rows<uint32_t, uint32_t>,
     scatter_rows<uint64_t, uint64_t>, scatter_rows<uint64_t, uint64_t>, scatter_rows<Half, float>,
     scatter_rows<Brain, float>, scatter_rows<float, float>, scatter_rows<double, double>},
    {nullptr, scatter_columns<uint8_t, uint8_t>, scatter_columns<uint8_t, uint8_t>,
     scatter_columns<uint16_t, uint16_t>, scatter_columns<uint16_t, uint16_t>,
     scatter_columns<uint32_t, uint32_t>, scatter_columns<uint32_t, uint32_t>,
     scatter_columns<uint64_t, uint64_t>, scatter_columns<uint64_t, uint64_t>,
     scatter_columns<Half, float>, scatter_columns<Brain, float>, scatter_columns<float, float>,
     scatter_columns<double, double>},
#else
    // (but to widen and narrow halves)
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     scattering<Half, float>, scattering<Brain, float>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     scatter_rows<Half, float>, scatter_rows<Brain, float>},
    {},
#endif
};

}  // namespace ndpool
