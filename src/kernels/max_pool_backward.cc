// Max pooling backward; compiled once for each instruction set.
//
// Here too, small windows and small outer cells have ways of their own, straight from the user's
// arrays (columns.h, pieces.h, line.h, gather_across.h, pairs_across.h, pairs.h, scatter_rows.h,
// listed.h); everything else goes by tiles (gradient.h).

#include "columns.h"
#include "gather_across.h"
#include "gradient.h"
#include "line.h"
#include "listed.h"
#include "pairs.h"
#include "pairs_across.h"
#include "pieces.h"
#include "scatter_rows.h"

#ifndef NDPOOL_ISA
#error "NDPOOL_ISA names the instruction set, as in kernels_avx2"
#endif

namespace ndpool {

extern const BackwardKernels NDPOOL_TABLE(NDPOOL_ISA, _backward);
const BackwardKernels NDPOOL_TABLE(NDPOOL_ISA, _backward) = {
    find_cells,
    find_places,
    find_listed,
// By kind: bool has none, sums of integers are the same for signed and unsigned.
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
     in_pairs<uint64_t, uint64_t>, in_pairs<uint64_t, uint64_t>, halves_in_pairs<Half>,
     halves_in_pairs<Brain>, in_pairs<float, float>, in_pairs<double, double>},
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
    {nullptr, listed<uint8_t>, listed<uint8_t>, listed<uint16_t>, listed<uint16_t>,
     listed<uint32_t>, listed<uint32_t>, listed<uint64_t>, listed<uint64_t>, nullptr, nullptr,
     listed<float>, listed<double>},
#else
    // (but to widen and narrow halves)
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     scattering<Half, float>, scattering<Brain, float>},
    {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
     scatter_rows<Half, float>, scatter_rows<Brain, float>},
    {},
    {},
#endif
};

}  // namespace ndpool
