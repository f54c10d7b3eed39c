// Max pooling, forward with winners; compiled once for each instruction set.
//
// Which way a call goes, bind.cc asks the plans: small windows and small outer cells have ways of
// their own, straight from the user's arrays (beside.h, columns.h, runs.h, stretches.h, across.h,
// direct.h, narrow.h, picked.h, gathered.h, shifts.h, stacked.h, strips.h, volumes.h, sliding.h,
// transposed.h); everything else goes by tiles (fold.h).

#include "across.h"
#include "beside.h"
#include "columns.h"
#include "direct.h"
#include "fold.h"
#include "gathered.h"
#include "narrow.h"
#include "picked.h"
#include "runs.h"
#include "shifts.h"
#include "sliding.h"
#include "stacked.h"
#include "stretches.h"
#include "strips.h"
#include "transposed.h"
#include "volumes.h"

#ifndef NDPOOL_ISA
#error "NDPOOL_ISA names the instruction set, as in kernels_avx2"
#endif

// Large unsigned integers, which AVX2 cannot compare, go by tiles there: each more type takes half
// a minute to compile.
#if defined(NDPOOL_AVX512)
#define NDPOOL_SELDOM_USED(...) __VA_ARGS__
#else
#define NDPOOL_SELDOM_USED(...) nullptr
#endif

namespace ndpool {

extern const BackwardKernels NDPOOL_TABLE(NDPOOL_ISA, _backward);
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
     NDPOOL_SELDOM_USED(shifts<uint32_t, uint32_t>), shifts<int64_t, int64_t>,
     NDPOOL_SELDOM_USED(shifts<uint64_t, uint64_t>), shifts<Half, int16_t>, shifts<Brain, int16_t>,
     shifts<float, float>, shifts<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {strips<uint8_t, uint8_t>, strips<int8_t, int8_t>, strips<uint8_t, uint8_t>,
     strips<int16_t, int16_t>, strips<uint16_t, uint16_t>, strips<int32_t, int32_t>,
     NDPOOL_SELDOM_USED(strips<uint32_t, uint32_t>), strips<int64_t, int64_t>,
     NDPOOL_SELDOM_USED(strips<uint64_t, uint64_t>), strips<Half, int16_t>, strips<Brain, int16_t>,
     strips<float, float>, strips<double, double>},
    {volumes<uint8_t, uint8_t>, volumes<int8_t, int8_t>, volumes<uint8_t, uint8_t>,
     volumes<int16_t, int16_t>, volumes<uint16_t, uint16_t>, volumes<int32_t, int32_t>,
     NDPOOL_SELDOM_USED(volumes<uint32_t, uint32_t>), volumes<int64_t, int64_t>,
     NDPOOL_SELDOM_USED(volumes<uint64_t, uint64_t>), volumes<Half, int16_t>,
     volumes<Brain, int16_t>, volumes<float, float>, volumes<double, double>},
#else
    {},
    {},
#endif
#if defined(__AVX2__)
    {sliding<uint8_t, uint8_t, int16_t>, sliding<int8_t, int8_t, int16_t>,
     sliding<uint8_t, uint8_t, int16_t>, sliding<int16_t, int16_t>, sliding<uint16_t, uint16_t>,
     sliding<int32_t, int32_t>, NDPOOL_SELDOM_USED(sliding<uint32_t, uint32_t>),
     sliding<int64_t, int64_t>, NDPOOL_SELDOM_USED(sliding<uint64_t, uint64_t>),
     sliding_halves<Half>, sliding_halves<Brain>, sliding<float, float>, sliding<double, double>},
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
     NDPOOL_SELDOM_USED(across<uint32_t, uint32_t>), across<int64_t, int64_t>,
     NDPOOL_SELDOM_USED(across<uint64_t, uint64_t>), across<Half, int16_t>, across<Brain, int16_t>,
     across<float, float>, across<double, double>},
#else
    {},
#endif
#if defined(__AVX2__)
    {direct<uint8_t, uint8_t>, direct<int8_t, int8_t>, direct<uint8_t, uint8_t>,
     direct<int16_t, int16_t>, direct<uint16_t, uint16_t>, direct<int32_t, int32_t>,
     NDPOOL_SELDOM_USED(direct<uint32_t, uint32_t>), direct<int64_t, int64_t>,
     NDPOOL_SELDOM_USED(direct<uint64_t, uint64_t>), direct_halves<Half>, direct_halves<Brain>,
     direct<float, float>, direct<double, double>},
#else
    {},
#endif
#if defined(NDPOOL_AVX512)
    {nullptr, nullptr, nullptr, narrow_rows<int16_t, int16_t>, narrow_rows<uint16_t, uint16_t>,
     narrow_rows<int32_t, int32_t>, narrow_rows<uint32_t, uint32_t>, narrow_rows<int64_t, int64_t>,
     narrow_rows<uint64_t, uint64_t>, narrow_halves<Half>, narrow_halves<Brain>,
     narrow_rows<float, float>, narrow_rows<double, double>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, picked<int32_t>, picked<uint32_t>,
     picked<int64_t>, picked<uint64_t>, nullptr, nullptr, picked<float>, picked<double>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, gathered<int32_t>, gathered<uint32_t>,
     gathered<int64_t>, gathered<uint64_t>, nullptr, nullptr, gathered<float>, gathered<double>},
#else
    {},
    {},
    {},
#endif
#if defined(__AVX2__)
    {transposed<uint8_t, uint8_t>, transposed<int8_t, int8_t>, transposed<uint8_t, uint8_t>,
     transposed<int16_t, int16_t>, transposed<uint16_t, uint16_t>, transposed<int32_t, int32_t>,
     NDPOOL_SELDOM_USED(transposed<uint32_t, uint32_t>), transposed<int64_t, int64_t>,
     NDPOOL_SELDOM_USED(transposed<uint64_t, uint64_t>), transposed<Half, int16_t>,
     transposed<Brain, int16_t>, transposed<float, float>, transposed<double, double>},
#else
    {},
#endif
    &NDPOOL_TABLE(NDPOOL_ISA, _backward),
};

}  // namespace ndpool
