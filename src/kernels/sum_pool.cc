// Window sums, and spreading back to the cells, which is their adjoint; compiled once for each
// instruction set. What is added to what, and in which order, the plan says: here are the passes.
//
// Every sum is a binary tree. The sum of m cells is that of the first m - h and that of the last h,
// h being the largest power of two below m; of a window, along one axis after the other. So the
// result does not depend on tiles, threads or vectors, and the numpy engine has the same bits.

#include "sum_direct.h"
#include "sum_tree.h"
#include "tiles.h"

#ifndef NDPOOL_ISA
#error "NDPOOL_ISA names the instruction set, as in kernels_avx2"
#endif

namespace ndpool {
namespace {

// Rows of sums. In the last pass they are finished, and nothing is written beyond them.
template <class T, int kTaps, bool kLast>
void add_rows(T* to, const T* from, const int64_t* offset, int64_t taps, const Loop& rows,
              int64_t table_step, int64_t run, const Finish<T>& finish) {
  constexpr int L = kLanes<T>, kUnroll = kTaps == kMany ? 4 : 1;
  int64_t known[kTaps == 0 ? 1 : kTaps];
  for (int t = 0; t < kTaps && kTaps < kMany; ++t) known[t] = offset[t];
  const auto put = [&](T* row_to, Vec<T> sum, int64_t i, int64_t place) {
    if constexpr (!kLast) return store(row_to + i, sum);
    sum = finish(sum, place + i);
    if (i + L <= run) return store(row_to + i, sum);
    store_some(row_to + i, sum, run - i);
  };
  for (int64_t row = 0; row < rows.n; ++row) {
    const T* row_from = from + row * rows.from;
    T* row_to = to + row * rows.to;
    const int64_t place = row * table_step;
    int64_t i = 0;
    if constexpr (kTaps == kMany) {
      for (; i + (kUnroll - 1) * L < run; i += kUnroll * L) {
        Vec<T> sums[kUnroll];
        many<kUnroll, T>(row_from + i, offset, taps, sums);
        for (int u = 0; u < kUnroll; ++u) put(row_to, sums[u], i + u * L, place);
      }
    }
    for (; i < run; i += L) {
      Vec<T> sum{};
      if constexpr (kTaps == kMany) {
        many<1, T>(row_from + i, offset, taps, &sum);
      } else {
        sum = tree<kTaps, T>(row_from + i, known);
      }
      put(row_to, sum, i, place);
    }
  }
}

template <class T, bool kLast>
void add_rows(T* to, const T* from, const int64_t* offset, int64_t taps, const Loop& rows,
              int64_t table_step, int64_t run, const Finish<T>& finish) {
  with_taps(taps, [&](auto count) {
    add_rows<T, count(), kLast>(to, from, offset, taps, rows, table_step, run, finish);
  });
}

// to[i * classes + c] = arena[from + offset[c] + i], or zero
template <class T>
void interleave(T* to, const T* from, const SumPass& pass) {
  const int64_t classes = pass.taps;
  if (classes == 2 && pass.offset[0] >= 0 && pass.offset[1] >= 0) {
    return interleave_run(to, from + pass.offset[0], from + pass.offset[1], pass.run);
  }
  for (int64_t c = 0; c < classes; ++c) {
    if (pass.offset[c] < 0) {
      for (int64_t i = 0; i < pass.run; ++i) to[i * classes + c] = T{};
    } else {
      const T* cells = from + pass.offset[c];
      for (int64_t i = 0; i < pass.run; ++i) to[i * classes + c] = cells[i];
    }
  }
}

template <class T>
void go(const SumPass& pass, T* arena) {
  const Loop once{1, 0, 0};
  const Loop* loop[3] = {&once, &once, &once};  // the innermost last
  for (int i = 0; i < pass.loops; ++i) loop[3 - pass.loops + i] = &pass.loop[i];
  for (int64_t f = 0; f < loop[0]->n; ++f) {
    for (int64_t d = 0; d < loop[1]->n; ++d) {
      T* to = arena + pass.to + f * loop[0]->to + d * loop[1]->to;
      const T* from = arena + f * loop[0]->from + d * loop[1]->from;
      if (pass.step == Step::kAdd) {
        if (pass.exact) {
          add_rows<T, true>(to, from, pass.offset, pass.taps, *loop[2], 0, pass.run, {});
        } else {
          add_rows<T, false>(to, from, pass.offset, pass.taps, *loop[2], 0, pass.run, {});
        }
        continue;
      }
      for (int64_t r = 0; r < loop[2]->n; ++r, to += loop[2]->to, from += loop[2]->from) {
        if (pass.step == Step::kInterleave) {
          interleave(to, from, pass);
        } else {
          copy_strided(to, from + pass.offset[0], pass.every, pass.run);
        }
      }
    }
  }
}

// Divisors of the windows of a tile, laid out as the tile is; what lies outside is divided by one.
template <class T>
class Divisors {
 public:
  Divisors(const SumWork& work, const Sums& plan, char*& scratch)
      : finish(divisor<T>(work)),
        work_(work),
        plan_(plan),
        table_(carve<T>(scratch, work.divisors ? plan.table : 0)) {
    if (!work.divisors) return;
    finish.how = Finish<T>::kOverTable;
    finish.table = table_;
  }

  void look_at(const Walk& walk) {
    if (work_.divisors) axis(walk, 0, static_cast<const T*>(work_.divisors), table_);
  }

  // All of a tile of gradients.
  void divide(T* tile) const {
    for (int64_t i = 0; i < plan_.tile_cells && finish.how != Finish<T>::kNothing; i += kLanes<T>) {
      store(tile + i, finish(load(tile + i), i));
    }
  }

  Finish<T> finish;

 private:
  NDPOOL_RECURSIVE T* axis(const Walk& walk, int a, const T* from, T* to) const {
    if (a == work_.axes) {
      fill(to, from ? *from : T{1}, plan_.inner_tile);
      return to + plan_.inner_tile;
    }
    const Cut& cut = plan_.cut[a];
    const int64_t start = walk.tile[a] * cut.tile - (work_.backward ? work_.axis[a].before : 0);
    const int64_t n = work_.backward ? work_.axis[a].n : work_.axis[a].out;
    const int64_t places = work_.backward ? cut.slots : cut.tile;
    int64_t step = 1;
    for (int i = a + 1; i < work_.axes; ++i) {
      step *= work_.backward ? work_.axis[i].n : work_.axis[i].out;
    }
    if (a == 0 && work_.small_planes) step = 0;
    for (int64_t o = start; o < start + places; ++o) {
      to = axis(walk, a + 1, from && o >= 0 && o < n ? from + o * step : nullptr, to);
    }
    return to;
  }

  const SumWork& work_;
  const Sums& plan_;
  T* const table_;
};

// The last pass over a tile, into the user's array.
template <class S, class T>
class Result {
 public:
  Result(const SumWork& work, const Sums& plan, const Finish<T>& finish, char*& scratch)
      : work_(work), plan_(plan), finish_(finish), chunk_(carve<T>(scratch, plan.chunk)) {}

  void look_at(const Walk& walk) {
    from_ = 0, to_ = walk.inner, place_ = 0;
    run_ = walk.inner_count;
    loops_ = 1;
    int64_t step = plan_.inner_tile;
    for (int a = work_.axes - 1; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      const int64_t begin = walk.tile[a] * plan_.result_tile[a] - plan_.shift[a];
      const int64_t lo = most(0, -begin), hi = least(plan_.result_tile[a], along.out - begin);
      table_step_[a] = step;
      step *= plan_.cut[a].tile;
      if (a == 0) {
        first_ = begin, lo_ = lo, hi_ = hi;
        continue;
      }
      const Loop loop{hi - lo, plan_.from_step[a], along.y_step};
      from_ += lo * loop.from;
      to_ += (begin + lo) * loop.to;
      if (loops_ == 1 && loop.from == run_ && loop.to == run_ && table_step_[a] == run_) {
        run_ *= loop.n;
      } else {
        table_[loops_] = table_step_[a];
        loop_[loops_++] = loop;
      }
    }
  }

  void write(const Walk& walk, const T* arena) {
    for (int64_t e = 0; e < plan_.endings; ++e) {
      const Ending& ending = plan_.ending[e];
      // of this class: from number lo to hi
      const int64_t every = plan_.every, phase = ending.phase;
      const int64_t lo = lo_ > phase ? ceil_div(lo_ - phase, every) : 0;
      const int64_t hi = hi_ > phase ? ceil_div(hi_ - phase, every) : 0;
      if (hi <= lo) continue;
      const int64_t y_step = work_.axis[0].y_step;
      loop_[0] = {hi - lo, plan_.from_step[0], every * y_step};
      table_[0] = table_step_[0];
      int64_t run = run_;
      if (loops_ == 1 && loop_[0].from == run && loop_[0].to == run && table_[0] == run) {
        run *= loop_[0].n;
        loop_[0].n = 1;
      }
      rows(ending, 0, arena + from_ + lo * plan_.from_step[0],
           walk.y + to_ + (first_ + lo * every + phase) * y_step, lo * table_[0], run);
    }
  }

 private:
  // The loops stand from the second on innermost first.
  NDPOOL_RECURSIVE void rows(const Ending& ending, int depth, const T* from, int64_t to,
                             int64_t place, int64_t run) {
    const int number = depth == 0 ? 0 : loops_ - depth;
    const Loop& loop = loop_[number];
    if (depth == loops_ - 1) return last(ending, loop, table_[number], from, to, place, run);
    for (int64_t i = 0; i < loop.n; ++i) {
      rows(ending, depth + 1, from + i * loop.from, to + i * loop.to, place + i * table_[number],
           run);
    }
  }

  void last(const Ending& ending, const Loop& loop, int64_t table_step, const T* from, int64_t at,
            int64_t place, int64_t run) {
    Finish<T> finish = finish_;
    finish.table += work_.divisors ? place : 0;
    S* to = static_cast<S*>(work_.result) + at;
    if constexpr (std::is_same_v<S, T>) {
      add_rows<T, true>(to, from, ending.offset, ending.taps, loop, table_step, run, finish);
    } else {
      for (int64_t row = 0; row < loop.n; ++row) {
        for (int64_t i = 0; i < run; i += plan_.chunk) {
          const int64_t count = least(plan_.chunk, run - i);
          Finish<T> here = finish;
          here.table += work_.divisors ? row * table_step + i : 0;
          add_rows<T, true>(chunk_, from + row * loop.from + i, ending.offset, ending.taps,
                            {1, 0, 0}, 0, count, here);
          emit(to + row * loop.to + i, chunk_, count);
        }
      }
    }
  }

  const SumWork& work_;
  const Sums& plan_;
  const Finish<T> finish_;
  T* const chunk_;
  int loops_ = 1;
  Loop loop_[kMostAxes];
  int64_t table_[kMostAxes], table_step_[kMostAxes];
  int64_t from_ = 0, to_ = 0, place_ = 0, run_ = 0, first_ = 0, lo_ = 0, hi_ = 0;
};

template <class T>
void raise(T* tile, int64_t count, int powers) {
  for (int64_t i = 0; i < count; i += kLanes<T>) {
    const Vec<T> v = load(tile + i);
    store(tile + i, powers == 2 ? v * v : v < T{} ? -v : v);
  }
}

// Does all of the tile come from inside the source?
inline bool inside(const SumWork& work, const Sums& plan, const Walk& walk) {
  bool all = true;
  for (int a = 0; a < work.axes; ++a) {
    const Cut& cut = plan.cut[a];
    const Axis& along = work.axis[a];
    const int64_t first = walk.tile[a] * cut.tile * along.stride - along.before;
    int64_t furthest = 0;
    for (int64_t c = 0; c < cut.classes; ++c) furthest = most(furthest, cut.residue[c]);
    all &= first >= 0 && first + furthest + (cut.slots - 1) * cut.slot_stride < along.n;
  }
  return all;
}

template <class S, class T>
int64_t sums(const Work& given, const Sums& plan, void* scratch, int64_t begin, int64_t end) {
  const auto& work = static_cast<const SumWork&>(given);
  char* free = static_cast<char*>(scratch);
  T* arena = carve<T>(free, plan.arena);
  Divisors<T> divisors(work, plan, free);
  Result<S, T> result(work, plan, work.backward ? Finish<T>{} : divisors.finish, free);
  TileLoader<S, T> loader(work, plan);
  Walk walk(work, plan, begin);
  int64_t seen = -1;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (walk.number != seen) {
      if (!inside(work, plan, walk)) fill(arena, T{}, plan.tile_cells);
      loader.look_at(walk);
      divisors.look_at(walk);
      result.look_at(walk);
      seen = walk.number;
    }
    loader.load(walk, arena);
    if (work.powers) raise(arena, plan.tile_cells, work.powers);
    if (work.backward) divisors.divide(arena);
    for (int64_t p = 0; p < plan.add_passes; ++p) go(plan.add_pass[p], arena);
    result.write(walk, arena);
  }
  return 0;
}

}  // namespace

extern const SumKernels NDPOOL_TABLE(NDPOOL_ISA, _sums);
const SumKernels NDPOOL_TABLE(NDPOOL_ISA, _sums) = {
    // sums of integers are the same for signed and unsigned
    {nullptr, sums<uint8_t, uint8_t>, sums<uint8_t, uint8_t>, sums<uint16_t, uint16_t>,
     sums<uint16_t, uint16_t>, sums<uint32_t, uint32_t>, sums<uint32_t, uint32_t>,
     sums<uint64_t, uint64_t>, sums<uint64_t, uint64_t>, sums<Half, float>, sums<Brain, float>,
     sums<float, float>, sums<double, double>},
    {nullptr, sum_pairs<uint8_t>, sum_pairs<uint8_t>, sum_pairs<uint16_t>, sum_pairs<uint16_t>,
     sum_pairs<uint32_t>, sum_pairs<uint32_t>, sum_pairs<uint64_t>, sum_pairs<uint64_t>, nullptr,
     nullptr, sum_pairs<float>, sum_pairs<double>},
    {nullptr, spread_blocks<uint8_t, uint8_t>, spread_blocks<uint8_t, uint8_t>,
     spread_blocks<uint16_t, uint16_t>, spread_blocks<uint16_t, uint16_t>,
     spread_blocks<uint32_t, uint32_t>, spread_blocks<uint32_t, uint32_t>,
     spread_blocks<uint64_t, uint64_t>, spread_blocks<uint64_t, uint64_t>,
     spread_blocks<Half, float>, spread_blocks<Brain, float>, spread_blocks<float, float>,
     spread_blocks<double, double>},
};

}  // namespace ndpool
