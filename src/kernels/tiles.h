// Moving tiles between the user's arrays and the scratch, whatever their strides: what all kinds
// of pooling share.
#pragma once

#include "element.h"
#include "work.h"

namespace ndpool {
namespace {

constexpr int64_t kChunk = 2048;  // cells between the last pass and the user's array: stays in L1

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0); }  // b > 0

template <class T>
T* carve(char*& scratch, int64_t count) {
  T* start = reinterpret_cast<T*>(scratch);
  const size_t bytes = static_cast<size_t>(count) * sizeof(T) + 2 * 64;  // vectors overshoot
  scratch += (bytes + 63) / 64 * 64;
  return start;
}

template <class T>
void fill(T* to, T value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = value;
}

// to[i] = from[i * step], with the steps that occur most known to the compiler.
template <class S, class T>
void copy_strided(T* to, const S* from, int64_t step, int64_t count) {
  if (step == 1) {
    for (int64_t i = 0; i < count; ++i) to[i] = widen(from[i]);
  } else if (step == 2) {
    for (int64_t i = 0; i < count; ++i) to[i] = widen(from[2 * i]);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = widen(from[i * step]);
  }
}

// Store `count` values, around the cache if asked to.
template <class T, class S>
void emit(S* to, const T* from, int64_t count, bool stream) {
  if constexpr (std::is_same_v<S, T>) {
#if defined(__x86_64__)
    if (stream) {
      const auto address = reinterpret_cast<uintptr_t>(to);
      if (address % sizeof(T) == 0) {
        const int64_t head = least(count, static_cast<int64_t>((-address % 64) / sizeof(T)));
        const int64_t lines = (count - head) / static_cast<int64_t>(64 / sizeof(T));
        std::memcpy(to, from, static_cast<size_t>(head) * sizeof(T));
        auto* line = reinterpret_cast<Vec<int64_t>*>(to + head);
        const T* next = from + head;
        for (int64_t i = 0; i < lines * (64 / kVectorBytes); ++i, next += kLanes<T>) {
          Vec<int64_t> v;
          std::memcpy(&v, next, sizeof v);
#if defined(NDPOOL_AVX512)
          _mm512_stream_si512(reinterpret_cast<__m512i*>(line + i), (__m512i)v);
#elif defined(__AVX2__)
          _mm256_stream_si256(reinterpret_cast<__m256i*>(line + i), (__m256i)v);
#else
          _mm_stream_si128(reinterpret_cast<__m128i*>(line + i), (__m128i)v);
#endif
        }
        const int64_t done = head + lines * static_cast<int64_t>(64 / sizeof(T));
        std::memcpy(to + done, from + done, static_cast<size_t>(count - done) * sizeof(T));
        return;
      }
    }
#endif
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  } else {
    for (int64_t i = 0; i < count; ++i) narrow(from[i], to[i]);
  }
}

// Where item number `item` lies: its outer cell, its tile along each axis, its run of the inner.
struct Place {
  int64_t x, y, winners;  // steps to the outer cell
  int64_t tile[kMostAxes];
  int64_t inner;          // first inner cell
  int64_t inner_count;
  int64_t number;         // of the tile within its outer cell
};

template <class Plan>
Place place_of(const Work& work, const Plan& plan, int64_t item) {
  Place place{};
  int64_t per_outer = plan.inner_tiles;
  for (int a = 0; a < work.axes; ++a) per_outer *= plan.cut[a].tiles;
  place.number = item % per_outer;
  int64_t rest = place.number, outer = item / per_outer;
  place.inner = rest % plan.inner_tiles * plan.inner_tile;
  place.inner_count = least(plan.inner_tile, work.inner - place.inner);
  rest /= plan.inner_tiles;
  for (int a = work.axes - 1; a >= 0; --a) {
    place.tile[a] = rest % plan.cut[a].tiles;
    rest /= plan.cut[a].tiles;
  }
  for (int i = work.outers - 1; i >= 0; --i) {
    const int64_t at = outer % work.outer[i].n;
    outer /= work.outer[i].n;
    place.x += at * work.outer[i].x_step;
    place.y += at * work.outer[i].y_step;
    place.winners += at * work.outer[i].winner_step;
  }
  return place;
}

// A tile of the input in the layout of `Cut`, with `outside` wherever it reaches over the edge.
template <class S, class T>
struct TileLoader {
  const Work& work;
  const Forward& plan;
  const Place& place;
  T outside;

  void operator()(T* to) const {
    axis(0, static_cast<const S*>(work.source) + place.x + place.inner * work.inner_x_step, to);
  }

 private:
  int64_t first(int a) const {
    return place.tile[a] * plan.cut[a].tile * work.axis[a].stride - work.axis[a].before;
  }

  void axis(int a, const S* from, T* to) const {
    if (a == work.axes - 1) return from ? row(from, to) : empty_row(to);
    const Cut& cut = plan.cut[a];
    const Axis& along = work.axis[a];
    for (int64_t c = 0; c < cut.classes; ++c) {
      int64_t at = first(a) + cut.residue[c];
      T* slot = to + c * cut.class_step;
      for (int64_t r = 0; r < cut.slots; ++r, at += along.stride, slot += cut.slot_step) {
        const bool inside = from && at >= 0 && at < along.n;
        axis(a + 1, inside ? from + at * along.x_step : nullptr, slot);
      }
    }
  }

  void empty_row(T* to) const {
    const Cut& cut = plan.cut[work.axes - 1];
    for (int64_t c = 0; c < cut.classes; ++c) {
      fill(to + c * cut.class_step, outside, cut.slots * cut.slot_step);
    }
  }

  void row(const S* from, T* to) const {
    const Cut& cut = plan.cut[work.axes - 1];
    const Axis& along = work.axis[work.axes - 1];
    const int64_t inner = cut.slot_step, step = along.stride * along.x_step;
    for (int64_t c = 0; c < cut.classes; ++c, to += cut.class_step) {
      const int64_t start = first(work.axes - 1) + cut.residue[c];
      // the slots from lo to hi lie inside [0, n)
      const int64_t lo = start < 0 ? least(cut.slots, ceil_div(-start, along.stride)) : 0;
      const int64_t reach = along.n - start;
      const int64_t hi = reach > 0 ? least(cut.slots, ceil_div(reach, along.stride)) : 0;
      if (lo >= hi) {
        fill(to, outside, cut.slots * inner);
        continue;
      }
      fill(to, outside, lo * inner);
      fill(to + hi * inner, outside, (cut.slots - hi) * inner);
      cells(from + (start + lo * along.stride) * along.x_step, step, to + lo * inner, hi - lo);
    }
  }

  void cells(const S* from, int64_t step, T* to, int64_t count) const {
    const int64_t inner = plan.inner_tile;
    if (work.inner == 1) return copy_strided(to, from, step, count);
    const bool whole = work.inner_x_step == 1 && step == inner && place.inner_count == inner;
    if (whole) return copy_strided(to, from, 1, count * inner);
    for (int64_t i = 0; i < count; ++i, from += step, to += inner) {
      copy_strided(to, from, work.inner_x_step, place.inner_count);
    }
  }
};

}  // namespace
}  // namespace ndpool
