// Outer cells with few windows of few cells, as many side by side as a vector has lanes: each lane
// folds a window of its own outer cell. For pooling to one output each, and for tiny outer cells,
// on which all other ways spend their time on getting ready.
#pragma once

#include "tiles.h"

namespace ndpool {
namespace {

template <class S, class T>
class Beside {
 public:
  Beside(const Work& work, const Forward&) : work_(work), lanes_(work.outer[work.outers - 1]) {
    int64_t outputs = 1;
    for (int a = 0; a < work.axes; ++a) outputs *= work.axis[a].out;
    for (int64_t o = 0; o < outputs; ++o) list(o);
#if defined(NDPOOL_AVX512)
    int32_t step[16];
    for (int lane = 0; lane < 16; ++lane) {
      step[lane] = static_cast<int32_t>(lane * lanes_.x_step * int64_t{sizeof(S)});
    }
    steps_ = _mm512_loadu_si512(step);
#endif
  }

  // `count` outer cells, as many as there are lanes at most.
  void write(const Walk& walk, int64_t count) const {
    const S* x = static_cast<const S*>(work_.source) + walk.x;
    const Tap* tap = taps_;
    for (int64_t o = 0; o < outputs_; ++o) {
      const Output& output = output_[o];
      Best<T> best{cells(x + tap->cell, count), broadcast(tap->winner)};
      for (++tap; tap < taps_ + output.end; ++tap) {
        fold_in<false, true, T>(best, cells(x + tap->cell, count), broadcast(tap->winner));
      }
      put(walk, output, best, count);
    }
  }

  static constexpr int64_t L = kLanes<T>;

 private:
  struct Tap {
    int64_t cell;  // from where the outer cell begins
    Winner<T> winner;
  };
  struct Output {
    int64_t y, winner;  // where in the outer cell
    int64_t end;        // of its taps
  };

  // The taps of the output that are inside the input, in order.
  void list(int64_t number) {
    Output output{0, 0, 0};
    int64_t begin[kMostAxes];
    for (int a = work_.axes - 1; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      const int64_t o = number % along.out;
      number /= along.out;
      output.y += o * along.y_step;
      output.winner += o * along.winner_step;
      begin[a] = o * along.stride - along.before;
    }
    add_taps(0, begin, 0, 0);
    output.end = count_;
    output_[outputs_++] = output;
  }
  NDPOOL_RECURSIVE void add_taps(int a, const int64_t* begin, int64_t cell, int64_t winner) {
    if (a == work_.axes) {
      taps_[count_++] = {cell, static_cast<Winner<T>>(winner)};
      return;
    }
    const Axis& along = work_.axis[a];
    for (int64_t t = 0; t < along.kernel; ++t) {
      const int64_t at = begin[a] + t * along.dilation;
      if (at < 0 || at >= along.n) continue;
      add_taps(a + 1, begin, cell + at * along.x_step, winner * along.kernel + t);
    }
  }

  // The same cell of each of the outer cells; nothing is read for further lanes.
  inline Vec<T> cells(const S* from, int64_t count) const {
#if defined(NDPOOL_AVX512)
    const uint64_t some = first_bits(count);
    if constexpr (sizeof(S) == 4) {
      return (Vec<T>)_mm512_mask_i32gather_epi32(_mm512_setzero_si512(),
                                                 static_cast<__mmask16>(some), steps_, from, 1);
    } else if constexpr (sizeof(S) == 8) {
      return (Vec<T>)_mm512_mask_i32gather_epi64(_mm512_setzero_si512(),
                                                 static_cast<__mmask8>(some),
                                                 _mm512_castsi512_si256(steps_), from, 1);
    }
#endif
    S lanes[L] = {};
    for (int64_t lane = 0; lane < count; ++lane) lanes[lane] = from[lane * lanes_.x_step];
    return load_cells<S, T>(lanes);
  }

  inline void put(const Walk& walk, const Output& output, const Best<T>& best,
                  int64_t count) const {
    S* y = static_cast<S*>(work_.result) + walk.y + output.y;
    if (lanes_.y_step == 1) {
      put_cells<S, T>(y, best.value, first_bits(count));
    } else {
      S found[L];
      put_cells<S, T>(found, best.value);
      for (int64_t lane = 0; lane < count; ++lane) y[lane * lanes_.y_step] = found[lane];
    }
    if (!work_.winners) return;
    uint8_t* to = static_cast<uint8_t*>(work_.winners) + walk.winners + output.winner;
    if (lanes_.winner_step == 1) return store_bytes<T>(to, best.winner, first_bits(count));
    Winner<T> found[L];
    store(found, best.winner);
    for (int64_t lane = 0; lane < count; ++lane) {
      to[lane * lanes_.winner_step] = static_cast<uint8_t>(found[lane]);
    }
  }

  const Work& work_;
  const Outer lanes_;
  int64_t count_ = 0, outputs_ = 0;
  Tap taps_[kMostBeside];
  Output output_[kMostBeside];  // each has a tap
#if defined(NDPOOL_AVX512)
  __m512i steps_;  // from the first outer cell, in bytes
#endif
};

template <class S, class T>
int64_t beside(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  const Beside<S, T> ways(work, plan);
  Walk walk(work, plan, begin);
  for (int64_t item = begin; item < end;) {
    const int64_t count = least(Beside<S, T>::L, least(end - item, walk.left(work)));
    ways.write(walk, count);
    for (const int64_t next = item + count; item < next; ++item) walk.next(work, plan);
  }
  return 0;
}

}  // namespace
}  // namespace ndpool
