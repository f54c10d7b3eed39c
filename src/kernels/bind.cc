// What Python sees of the kernels: arrays come in by NumPy's interface, work goes out to threads
// with the GIL released. No arithmetic on elements here.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "array.h"
#include "memory.h"
#include "plan_parts.h"
#include "recall.h"
#include "single.h"
#include "sum_plan.h"
#include "threads.h"

namespace ndpool {

extern const Kernels kernels_baseline;
extern const SumKernels kernels_baseline_sums;
#if defined(NDPOOL_X86)
extern const Kernels kernels_avx2, kernels_avx512;
extern const SumKernels kernels_avx2_sums, kernels_avx512_sums;
#endif

namespace {

constexpr int64_t kBytesPerThread = 1 << 18;  // below, waking a thread costs more than it gains
constexpr double kTimePerThread = 9e3;        // nanoseconds; the same
constexpr int64_t kMostScratch = 2 << 20;     // of all threads, with what their stacks take
constexpr int64_t kStack = 48 << 10;          // of one, as far as it is used
constexpr int64_t kNearScratch = 8 << 10;     // on the stack
constexpr int64_t kLongRun = 256;             // bytes of a row of a window that goes by runs
constexpr int64_t kShortRun = 128;            // the same, where they cannot go beside each other
constexpr int64_t kWideColumn = 32;           // bytes side by side, where that is faster than tiles
constexpr int64_t kFewBeside = 40;            // cells of windows, where it is the fastest way
constexpr int64_t kLongRow = 24;              // windows of two cells: see windows_apart
constexpr int64_t kLeastPairedRow = 96;       // cells, without masks: see make_pairs
constexpr int64_t kAlone = 64 << 10;          // bytes to move that are not worth letting go the GIL
constexpr int64_t kPastCache = 48 << 20;      // bytes to move of which no gradient stays in a cache
constexpr int64_t kPastCacheY = 32 << 20;     // bytes of an output that does not
constexpr int64_t kTimesLastCache = 2;        // or, as many as to move, of this machine's last one
constexpr int64_t kCommonLastCache = 32 << 20;
constexpr int64_t kFewCells = 4;  // of a window

// The same without masks.
constexpr int64_t long_row(int bytes) { return bytes >= 4 ? 12 : bytes == 2 ? 16 : kLongRow; }

// Bytes of this machine's last cache, as Linux has it, or as many as common ones have. (sysconf
// tells of all such caches of an AMD processor, of which a core has one.)
int64_t last_cache() {
  static const int64_t bytes = [] {
    std::ifstream size("/sys/devices/system/cpu/cpu0/cache/index3/size");
    int64_t kibibytes = 0;
    return size >> kibibytes && kibibytes > 0 ? kibibytes << 10 : kCommonLastCache;
  }();
  return bytes;
}

std::vector<const Kernels*> available() {
  std::vector<const Kernels*> found{&kernels_baseline};
#if defined(NDPOOL_X86)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")) {
    found.push_back(&kernels_avx2);
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    found.push_back(&kernels_avx512);
  }
#endif
  return found;
}

std::atomic<const Kernels*> chosen{available().back()};
std::atomic<int> most_threads{1};

const SumKernels& chosen_sums() {
#if defined(NDPOOL_X86)
  if (chosen.load() == &kernels_avx512) return kernels_avx512_sums;
  if (chosen.load() == &kernels_avx2) return kernels_avx2_sums;
#endif
  return kernels_baseline_sums;
}

struct FreeAligned {
  void operator()(char* p) const { ::operator delete(p, std::align_val_t(64)); }
};

// How many items a kernel is quickest with side by side.
int64_t taken_at_once(const Forward& plan) { return plan.table.together; }
int64_t taken_at_once(const Backward& plan) { return std::max(plan.together, plan.table.together); }
int64_t taken_at_once(const Sums&) { return 1; }

// About how many nanoseconds it takes, or 0 where there is no estimate.
template <class Plan>
double estimated_time(const Work& work, const Plan& plan) {
  return plan.cost * static_cast<double>(work.outer_count);
}
double estimated_time(const Work&, const Sums&) { return 0; }

// Run `kernel` over all items, on as many threads as it is worth.
template <class Kernel, class Plan>
int64_t run(Kernel kernel, const Work& work, const Plan& plan, int64_t bytes) {
  if (plan.items == 0) return 0;
  if (bytes < kAlone && plan.scratch <= kNearScratch) {
    alignas(64) char scratch[kNearScratch];
    return kernel(work, plan, scratch, 0, plan.items);
  }
  const auto each = static_cast<int64_t>((plan.scratch + 4095) / 4096 * 4096);
  // The stacks of eight threads count: of more that need little else, they would be most of it.
  const int64_t fit = std::max((kMostScratch - 8 * kStack) / each, kMostScratch / (each + kStack));
  const int64_t worth = std::max(bytes / kBytesPerThread,
                                 static_cast<int64_t>(estimated_time(work, plan) / kTimePerThread));
  const int64_t threads =
      std::max<int64_t>(1, std::min({int64_t{most_threads.load()}, fit, worth, plan.items}));
  const auto all = static_cast<size_t>(each * threads);
  std::unique_ptr<char, FreeAligned> scratch(
      static_cast<char*>(::operator new(all, std::align_val_t(64))));
  std::optional<nb::gil_scoped_release> released;
  if (bytes >= kAlone) released.emplace();
  if (threads == 1) return kernel(work, plan, scratch.get(), 0, plan.items);

  // Shares are small enough that a thread that was held up does not hold up the rest; but items
  // that the kernel takes at once stay together, or it takes each for itself. Of errors that were
  // found the least place counts.
  int64_t group = taken_at_once(plan);
  while (group > 1 && plan.items < threads * group) group /= 2;
  const int64_t share = ceil_div(std::max<int64_t>(1, plan.items / (threads * 8)), group) * group;
  Shares shares(plan.items, share, threads);
  std::atomic<int64_t> first_bad{0};
  const auto take = [&](int64_t number) {
    char* own = scratch.get() + each * number;
    shares.take(number, [&](int64_t begin, int64_t end) {
      const int64_t bad = kernel(work, plan, own, begin, end);
      if (!bad) return;
      int64_t seen = first_bad.load();
      while ((seen == 0 || bad < seen) && !first_bad.compare_exchange_weak(seen, bad)) {
      }
    });
  };
  const auto crew = std::make_shared<Crew>(take);
  Helpers::get().call(crew, threads - 1);
  take(0);
  crew->close();
  return first_bad.load();
}

// A geometry, and how the kernels go about it.
class Pooling {
 public:
  Pooling(std::vector<int64_t> shape, const std::vector<int64_t>& axes,
          const std::vector<int64_t>& kernel, const std::vector<int64_t>& stride,
          const std::vector<int64_t>& dilation, const std::vector<int64_t>& before,
          std::vector<int64_t> y_shape)
      : shape_(std::move(shape)), y_shape_(std::move(y_shape)), pooled_(axes.begin(), axes.end()) {
    work_.axes = static_cast<int>(axes.size());
    work_.cells = 1;
    for (size_t i = 0; i < axes.size(); ++i) {
      const auto axis = static_cast<size_t>(axes[i]);
      work_.axis[i] = {
          shape_[axis], kernel[i], stride[i], dilation[i], before[i], y_shape_[axis], 0, 0, 0};
      work_.cells *= kernel[i];
      const int64_t end =
          (y_shape_[axis] - 1) * stride[i] - before[i] + (kernel[i] - 1) * dilation[i];
      work_.padded |= before[i] > 0 || end >= shape_[axis];
    }
    work_.winner_bytes = work_.cells <= 1 << 8 ? 1 : work_.cells <= 1 << 16 ? 2 : 4;
    busy_work_ = work_;
    busy_work_.axes = 0;
    for (size_t i = 0; i < pooled_.size(); ++i) {
      const Axis& along = work_.axis[i];
      const bool idle = along.kernel == 1 && along.stride == 1 && along.before == 0 &&
                        along.out == along.n && work_.cells > 1;
      if (idle) continue;
      busy_.push_back(pooled_[i]);
      busy_work_.axis[busy_work_.axes++] = along;
    }
    y_steps_.assign(y_shape_.size(), 1);
    x_steps_.assign(shape_.size(), 1);
    for (size_t i = shape_.size(); i-- > 1;) {
      y_steps_[i - 1] = y_steps_[i] * y_shape_[i];
      x_steps_[i - 1] = x_steps_[i] * shape_[i];
    }
  }

  // How many cells, of several tiles or of padding, forward looks at for each of input and output;
  // 1 where there are no tiles, infinitely many where this geometry has to go another way.
  double repeats(int kind) {
    constexpr double kNotServed = std::numeric_limits<double>::infinity();
    if (!kernel_exists(kind, false)) return kNotServed;
    // The largest inner run makes the largest tile; a plan for it can always shrink to one cell.
    Work work = arranged_busy(x_steps_, y_steps_);
    const ForwardWay way = forward_way(work, kind);
    if (!way.kernel) return kNotServed;
    return way.kept ? way.kept->repeats : 1;
  }

  bool serves_backward(int kind) {
    if (!kernel_exists(kind, true)) return false;
    Work work = arranged_busy(x_steps_, y_steps_);
    return backward_plan(work, kind) != nullptr;
  }

  const std::vector<int64_t>& shape() const { return shape_; }
  const std::vector<int64_t>& y_shape() const { return y_shape_; }
  int winner_bytes() const { return work_.winner_bytes; }

  // Whether the kernels go over x as it lies; and over dy: cells of one window with gaps between
  // them take longer than to copy these first.
  static bool takes_x(const Array& x) { return x.aligned(); }
  bool takes_dy(const Array& dy) const {
    return dy.aligned() && (work_.cells > 1 || dy.contiguous());
  }

  // Fills y and, unless null, the winners, which are C-contiguous, of x, which it takes. False, and
  // nothing done, where that needs x without gaps.
  bool forward(const Array& x, void* y, void* winners, int kind) {
    if (cells(y_shape_) == 0) return true;
    Work work = arranged_busy(steps_of(x), y_steps_);
    work.source = x.data();
    work.cells_of_source = x.extent();
    work.result = y;
    work.winners = winners;
    const int64_t bytes = cells(shape_) * x.itemsize() +
                          cells(y_shape_) * (x.itemsize() + (winners ? work.winner_bytes : 0));
    // Small elements in windows of many cells take longer to compare than to store in the cache.
    const bool waits = work.inner > 1 || work.cells <= kFewCells || x.itemsize() >= 4;
    work.past_cache = (waits && bytes >= kTimesLastCache * last_cache()) ||
                      cells(y_shape_) * x.itemsize() >= kPastCacheY;
    const bool single = work_.cells == 1 && !work_.padded && !x.contiguous();
    const ForwardWay way = single ? single_way(work, x) : forward_way(work, kind);
    if (!way.kernel) return false;
    run(way.kernel, work, way.kept ? *way.kept : way.plan, bytes);
    return true;
  }

  // Fills dx, which is C-contiguous as the winners are, from dy, which it takes. kFine, or the
  // place of a winner that is no cell of its window inside the input.
  static constexpr int64_t kFine = -1;
  int64_t backward(const Array& dy, const void* winners, void* dx, int kind) {
    Work work = arranged_busy(x_steps_, steps_of(dy));
    work.source = dy.data();
    work.result = dx;
    work.winners = const_cast<void*>(winners);  // only read
    work.cells_of_source = dy.extent();
    const auto* first = static_cast<const char*>(winners);
    work.cells_of_winners = {first, first + cells(y_shape_) * work.winner_bytes};
    const int64_t bytes =
        cells(shape_) * dy.itemsize() + cells(y_shape_) * (dy.itemsize() + work.winner_bytes);
    work.past_cache = bytes >= kPastCache;
    const auto plan = backward_plan(work, kind);
    if (!plan) throw std::invalid_argument("geometry");
    const BackwardKernels& kernels = *chosen.load()->backward;
    const BackwardKernels& baseline = *kernels_baseline.backward;
    work.find_cells = kernels.find_cells;
    work.find_places = kernels.find_places;
    work.find_listed = kernels.find_listed;
    const BackwardKernels& scattering = kernels.scatter[kind] ? kernels : baseline;
    const auto kernel = (plan->looked_up   ? baseline.listed
                         : plan->in_pieces ? kernels.pieces
                         : plan->across   ? (plan->in_pairs ? kernels.pairs_across : kernels.across)
                         : plan->in_pairs ? kernels.pairs
                         : plan->line     ? kernels.line
                         : plan->spread   ? kernels.spread
                         : plan->gather   ? kernels.gather
                         : plan->in_rows  ? scattering.scatter_rows
                         : plan->in_columns ? baseline.scatter_columns
                                            : scattering.scatter)[kind];
    return run(kernel, work, static_cast<const Backward&>(*plan), bytes) - 1;
  }

  bool serves_sums(int kind, bool backward) {
    SumWork work = sum_work(backward ? y_steps_ : x_steps_, backward), divided = work;
    divided.divisors = this;  // any: they take room
    return chosen_sums().sums[kind] && sums_plan(work, kind).second &&
           sums_plan(divided, kind).second;
  }

  // Fills the result, which is C-contiguous, with the window sums of the source, which is aligned;
  // backward with what they spread back. They are divided by `by`, unless that is 0, or by
  // `divisors`, one for each place in the plane.
  void sums(const Array& source, void* result, const void* divisors, double by, int powers,
            int kind, bool backward) {
    SumWork work = sum_work(steps_of(source), backward);
    work.source = source.data();
    work.result = result;
    work.powers = powers;
    work.by = by;
    work.divisors = divisors;
    const auto [kernel, plan] = sums_plan(work, kind);
    if (!plan) throw std::invalid_argument("geometry");
    run(kernel, work, static_cast<const Sums&>(*plan),
        (cells(shape_) + cells(y_shape_)) * source.itemsize());
  }
  std::vector<int64_t> out() const {
    std::vector<int64_t> sizes;
    for (int a = 0; a < work_.axes; ++a) sizes.push_back(work_.axis[a].out);
    return sizes;
  }
  static int64_t computed_bytes(int kind) { return element_bytes(kind); }

 private:
  // The way from a source of these steps to a result without gaps.
  SumWork sum_work(const std::vector<int64_t>& steps, bool backward) const {
    SumWork work{};
    static_cast<Work&>(work) = arranged(steps, backward ? x_steps_ : y_steps_);
    work.backward = backward;
    for (int a = 0; a < work.axes && backward; ++a) {
      std::swap(work.axis[a].n, work.axis[a].out);
    }
    single_windows(work);
    return work;
  }

  // The kernel, and its plan or null; the work as it is for them.
  std::pair<SumKernel, std::shared_ptr<const SumsPlan>> sums_plan(SumWork& work, int kind) {
    const std::lock_guard<std::mutex> guard(lock_);
    const SumKernels& kernels = chosen_sums();
    const int bytes = element_bytes(kind), threads = most_threads.load();
    const int lanes = chosen.load()->vector_bytes / bytes;
    const auto made = [&](int way, const SumWork& how, auto make) {
      const Key key{
          how.backward, bytes * 128 + lanes, (how.axes * 2 + (how.divisors != nullptr)) * 4 + way,
          threads,      how.inner,           how.outer_count};
      const auto found = sums_.find(key);
      if (found != sums_.end()) return found->second;
      auto plan = std::make_shared<SumsPlan>();
      if (!make(*plan)) plan = nullptr;
      return sums_[key] = plan;
    };
    if (const auto make = kernels.pairs[kind]; make && pairs_fit(work)) {
      auto plan = made(0, work, [&](SumsPlan& p) { return make_pair_sums(work, bytes, lanes, p); });
      if (plan) return {make, plan};
    }
    SumWork merged = work;
    merge_blocks(merged);
    auto plan = made(1, merged, [&](SumsPlan& p) { return make_blocks(merged, bytes, p); });
    if (plan) {
      work = merged;
      return {kernels.blocks[kind], plan};
    }
    prepare(work, bytes);
    plan = made(2, work, [&](SumsPlan& p) { return make_sums(work, bytes, threads, p); });
    as_walked(work);
    return {kernels.sums[kind], plan};
  }

  static int64_t cells(const std::vector<int64_t>& shape) {
    int64_t product = 1;
    for (const int64_t size : shape) product *= size;
    return product;
  }

  static std::vector<int64_t> steps_of(const Array& array) {
    std::vector<int64_t> steps(static_cast<size_t>(array.ndim()));
    for (size_t i = 0; i < steps.size(); ++i) steps[i] = array.step(static_cast<int>(i));
    return steps;
  }

  static int element_bytes(int kind) {
    constexpr int bytes[kKinds] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 4, 4, 8};  // as computed with
    return bytes[kind];
  }
  static int stored_bytes(int kind) {
    return kind == kF16 || kind == kBF16 ? 2 : element_bytes(kind);
  }
  bool wide(int kind) const {
    const int bytes = element_bytes(kind);
    return bytes < 4 && work_.cells > (int64_t{1} << (8 * bytes));
  }
  bool kernel_exists(int kind, bool backward) const {
    const Kernels& kernels = *chosen.load();
    if (work_.cells >= int64_t{1} << 32) return false;
    if (backward) return kernels_baseline.backward->scatter[kind] != nullptr;
    return (wide(kind) ? kernels.forward_wide : kernels.forward)[kind] != nullptr;
  }

  // The arrays as outer x pooled x inner. The batch axes behind the last pooled one make the inner
  // run as far as they can be walked with one step.
  Work arranged(const std::vector<int64_t>& x_steps, const std::vector<int64_t>& y_steps) const {
    return arranged(x_steps, y_steps, pooled_, work_);
  }

  // The same where axes whose windows are single cells, one for each output, are batch axes.
  Work arranged_busy(const std::vector<int64_t>& x_steps,
                     const std::vector<int64_t>& y_steps) const {
    return arranged(x_steps, y_steps, busy_, busy_work_);
  }

  Work arranged(const std::vector<int64_t>& x_steps, const std::vector<int64_t>& y_steps,
                const std::vector<int64_t>& pooled_axes, Work work) const {
    const size_t ndim = shape_.size();
    size_t behind = ndim;  // first axis of the inner run
    work.inner = 1;
    work.inner_x_step = work.inner_y_step = 1;
    const auto last_pooled = static_cast<size_t>(pooled_axes.back());
    if (last_pooled + 1 < ndim) {
      behind = ndim - 1;
      work.inner = shape_[behind];
      work.inner_x_step = x_steps[behind];
      work.inner_y_step = y_steps[behind];
      while (behind - 1 > last_pooled && x_steps[behind - 1] == work.inner * work.inner_x_step &&
             y_steps[behind - 1] == work.inner * work.inner_y_step) {
        work.inner *= shape_[--behind];
      }
    }
    work.outers = 0;
    work.outer_count = 1;
    size_t pooled = 0;
    for (size_t i = 0; i < behind; ++i) {
      if (pooled < pooled_axes.size() && static_cast<size_t>(pooled_axes[pooled]) == i) {
        Axis& along = work.axis[pooled++];
        along.x_step = x_steps[i];
        along.y_step = y_steps[i];
        along.winner_step = y_steps_[i];
      } else {
        work.outer[work.outers++] = {shape_[i], x_steps[i], y_steps[i], y_steps_[i]};
        work.outer_count *= shape_[i];
      }
    }
    return work;
  }

  using Key = std::tuple<int, int, int, int, int64_t, int64_t>;

  // A kernel, null if there is none for the work, and its plan: one that was kept, or its own.
  struct ForwardWay {
    ForwardKernel kernel = nullptr;
    std::shared_ptr<const ForwardPlan> kept;
    Forward plan;
  };

  static ForwardWay single_way(const Work& work, const Array& x) {
    ForwardWay way;
    way.kernel = single_cells_of(x.itemsize());
    way.plan.items = SingleCells(work).rows();
    way.plan.scratch = 64;  // none
    return way;
  }

  // The fastest that there is; it may see the work in its own way.
  ForwardWay forward_way(Work& work, int kind) {
    const Kernels& kernels = *chosen.load();
    const int bytes = element_bytes(kind);
    ForwardWay way;
    Forward& plan = way.plan;
    const auto columns = [&](int64_t least) {
      return make_columns(work, std::max(4, bytes), least, most_threads.load(), plan);
    };
    const auto strips = [&] {
      return kernels.strips[kind] && make_strips(work, stored_bytes(kind), plan);
    };
    const auto sliding = [&] {
      const int computed = work.winners && wide(kind) ? 2 : bytes;
      const bool large = kernels.vector_bytes == 64 || work.cells >= (bytes == 1 ? 256 : 81);
      return kernels.sliding[kind] && large && !(bytes == 2 && wide(kind)) &&
             make_sliding(work, computed, 64 / stored_bytes(kind), most_threads.load(), plan);
    };
    const auto volumes = [&] {
      const bool masks = kernels.vector_bytes == 64;
      return kernels.volumes[kind] && make_volumes(work, bytes, stored_bytes(kind), masks, plan);
    };
    if (make_beside(work, bytes, kFewBeside, plan)) {
      way.kernel = kernels.beside[kind];
    } else if (kernels.shifts[kind] && (way.kept = shifts_plan(work, kind))) {
      way.kernel = kernels.shifts[kind];
    } else if (volumes()) {
      way.kernel = kernels.volumes[kind];
    } else if (kernels.narrow[kind] && !(bytes == 2 && strips()) &&
               make_narrow(work, bytes, stored_bytes(kind), plan)) {
      way.kernel = kernels.narrow[kind];
    } else if (strips()) {
      way.kernel = kernels.strips[kind];
    } else if (sliding()) {
      way.kernel = kernels.sliding[kind];
    } else if (kernels.picked[kind] && make_picked(work, bytes, plan)) {
      way.kernel = kernels.picked[kind];
    } else if (kernels.stretches[kind] && (way.kept = stretches_plan(work, kind))) {
      way.kernel = kernels.stretches[kind];
    } else if (kernels.direct[kind] && make_direct(work, bytes, plan)) {
      way.kernel = kernels.direct[kind];
    } else if (kernels.across[kind] && make_across(work, bytes, plan)) {
      way.kernel = kernels.across[kind];
    } else if (make_runs(work, kLongRun / bytes, plan)) {
      way.kernel = kernels.runs[kind];
    } else if (make_stacked(work, bytes, stored_bytes(kind) < bytes, plan)) {
      way.kernel = kernels.stacked[kind];
    } else if (make_beside(work, bytes, kMostBeside, plan)) {
      way.kernel = kernels.beside[kind];
    } else if (make_runs(work, kShortRun / bytes, plan)) {
      way.kernel = kernels.runs[kind];
    } else if (columns(kWideColumn)) {
      way.kernel = kernels.columns[kind];
    } else if ((way.kept = forward_plan(work, kind))) {
      way.kernel = (wide(kind) ? kernels.forward_wide : kernels.forward)[kind];
    } else if (columns(0)) {
      way.kernel = kernels.columns[kind];
    } else if (make_runs(work, 1, plan)) {
      way.kernel = kernels.runs[kind];
    }
    double cost = way.kept ? way.kept->cost : plan.cost;
    if (cost > 0 && kernels.gathered[kind] && way.kernel != kernels.narrow[kind] &&
        gathers_sooner(work, cost)) {
      if (auto gathered = gathered_plan(work, kind)) {
        way.kept = gathered;
        way.kernel = kernels.gathered[kind];
        cost = gathered_cost(work);
      }
    }
    Forward other;
    if (cost > 0 && kernels.transposed[kind] &&
        make_transposed(work, stored_bytes(kind), kernels.vector_bytes / stored_bytes(kind),
                        most_threads.load(), other) &&
        other.cost < cost) {
      way.kept = nullptr;
      way.plan = other;
      way.kernel = kernels.transposed[kind];
    }
    return way;
  }

  std::shared_ptr<const ForwardPlan> forward_plan(const Work& work, int kind) {
    const int bytes = wide(kind) ? 4 : element_bytes(kind);
    const std::lock_guard<std::mutex> guard(lock_);
    const int threads = most_threads.load();
    const Key key{work.winners != nullptr, bytes, 0, threads, work.inner, work.outer_count};
    const auto found = forwards_.find(key);
    if (found != forwards_.end()) return found->second;
    auto plan = std::make_shared<ForwardPlan>();
    if (!make_forward(work, bytes, threads, *plan)) plan = nullptr;
    return forwards_[key] = plan;
  }

  using DensePlans = std::map<int, std::shared_ptr<const ForwardPlan>>;  // by an element's bytes

  // Null where another way is faster. That is found out for arrays as they are here, without gaps;
  // others are told at once.
  template <class Make>
  std::shared_ptr<const ForwardPlan> dense_plan(const Work& work, int kind, DensePlans& plans,
                                                const Make& make) {
    const int bytes = stored_bytes(kind);
    if (work.inner != 1 || dense_from(work) > 0) return nullptr;
    const std::lock_guard<std::mutex> guard(lock_);
    const auto found = plans.find(bytes);
    if (found != plans.end()) return found->second;
    auto plan = std::make_shared<ForwardPlan>();
    if (!make(work, bytes, *plan)) plan = nullptr;
    return plans[bytes] = plan;
  }
  std::shared_ptr<const ForwardPlan> stretches_plan(const Work& work, int kind) {
    return dense_plan(work, kind, stretches_, make_stretches);
  }
  std::shared_ptr<const ForwardPlan> gathered_plan(const Work& work, int kind) {
    return dense_plan(work, kind, in_one_run(work) ? gathered_ : gathered_apart_, make_gathered);
  }
  std::shared_ptr<const ForwardPlan> shifts_plan(const Work& work, int kind) {
    return one_line(work) ? dense_plan(work, kind, shifts_, make_shifts) : nullptr;
  }

  std::shared_ptr<const BackwardPlan> backward_plan(Work& work, int kind) {
    const int bytes = element_bytes(kind);
    const int lanes = chosen.load()->vector_bytes / bytes;
    const std::lock_guard<std::mutex> guard(lock_);
    const int threads = most_threads.load();
    const BackwardKernels& kernels = *chosen.load()->backward;
    enum Way {
      kAny,
      kLine,
      kPieces,
      kAcross,
      kPairs,
      kPairsOfHalves,
      kColumns,
      kColumnsOfHalves,
      kRows,
      kRowsOfHalves,
      kListing
    };
    const bool halves = kind == kF16 || kind == kBF16;
    const auto made = [&](Way way, auto make) {
      const Key key{way, bytes, lanes, threads, work.inner, work.outer_count};
      const auto found = backwards_.find(key);
      if (found != backwards_.end()) return found->second;
      auto plan = std::make_shared<BackwardPlan>();
      if (!make(*plan)) plan = nullptr;
      return backwards_[key] = plan;
    };
    // Unless that is no clear gain on a plan that takes so many nanoseconds for an outer cell.
    const auto listed = [&](double cost) -> std::shared_ptr<const BackwardPlan> {
      if (!kernels_baseline.backward->listed[kind] || !in_one_run(work)) return nullptr;
      if (!lists_sooner(work, cost, bytes, threads)) return nullptr;
      return made(kListing, [&](auto& p) { return make_listed(work, p); });
    };
    const bool masks = chosen.load()->vector_bytes == 64;
    const auto in_rows = [&] {
      return made(halves ? kRowsOfHalves : kRows, [&](auto& p) {
        return make_scatter_rows(work, bytes, !halves, masks, threads, p);
      });
    };
    // A plan that clearly takes less than so many nanoseconds for an outer cell.
    const auto sooner = [&](double cost) {
      constexpr double kLess = 0.85, kLeastRows = 400;
      auto rows = cost < kLeastRows ? nullptr : in_rows();
      if (rows && rows->cost > kLess * cost) rows = nullptr;
      const auto few = listed(rows ? rows->cost : cost);
      return few ? few : rows;
    };
    if (kernels.pieces[kind] && windows_apart(work, masks ? kLongRow : long_row(bytes))) {
      const auto plan = made(kPieces, [&](auto& p) {
        return make_pieces(work, piece_lanes(chosen.load()->vector_bytes, bytes), p);
      });
      if (plan) {
        const auto parts = static_cast<double>(work.axis[0].out / plan->first_windows);
        if (const auto other = sooner(parts * plan->cost)) return other;
        split_first(work, plan->first_windows);
        return plan;
      }
    }
    if (kernels.line[kind] && one_line(work)) {
      const auto plan =
          made(kLine, [&](auto& p) { return make_line(work, bytes, lanes, threads, p); });
      if (plan) {
        const auto other = sooner(plan->cost);
        return other ? other : plan;
      }
    }
    if (kernels.across[kind] && work.inner_y_step == 1) {
      const auto plan = made(kAcross, [&](auto& p) { return make_gather_across(work, bytes, p); });
      if (plan) return plan;
    }
    if (kernels.pairs[kind] && work.axis[work.axes - 1].y_step == 1) {
      const auto plan = made(halves ? kPairsOfHalves : kPairs, [&](auto& p) {
        // without masks, ends of rows cost more, and halves that are not added need no floats
        return make_pairs(work, bytes, masks ? halves || bytes < 4 : bytes == 1,
                          masks ? 0 : kLeastPairedRow, p);
      });
      if (plan) return plan;
    }
    const auto columns = made(halves ? kColumnsOfHalves : kColumns, [&](auto& p) {
      return make_scatter_columns(work, halves, threads, p);
    });
    if (columns) return columns;
    const auto any =
        made(kAny, [&](auto& p) { return make_backward(work, bytes, lanes, threads, p); });
    // A gather puts cells of three classes and more in a row one by one; outputs are fewer.
    const bool by_classes = work.axis[work.axes - 1].stride > 2;
    if (any && (any->gather ? !by_classes : any->found_run > 0)) {
      const auto other = sooner(any->cost);
      return other ? other : any;
    }
    const auto rows = in_rows();
    const auto few = listed(rows ? rows->cost : 0);
    return few ? few : rows ? rows : any;
  }

  std::vector<int64_t> shape_, y_shape_, x_steps_, y_steps_, pooled_;
  Work work_{};
  std::vector<int64_t> busy_;  // the pooled axes but those whose windows are single cells
  Work busy_work_;             // with these alone
  std::mutex lock_;
  std::map<Key, std::shared_ptr<const ForwardPlan>> forwards_;
  std::map<Key, std::shared_ptr<const BackwardPlan>> backwards_;
  std::map<Key, std::shared_ptr<const SumsPlan>> sums_;
  DensePlans stretches_, shifts_, gathered_, gathered_apart_;
};

// ---- what Python calls ----

// False, and nothing done, where x is not aligned, or has gaps that no kernel can go over.
bool forward(Pooling& pooling, nb::handle x, nb::handle y, nb::handle winners, int kind) {
  const Array source(x.ptr()), result(y.ptr());
  if (!pooling.takes_x(source)) return false;
  if (!source.has(pooling.shape()) || !result.can_be_result(pooling.y_shape())) {
    throw std::invalid_argument("shape");
  }
  void* offsets = nullptr;
  if (!winners.is_none()) {
    const Array found(winners.ptr());
    if (!found.can_be_result(pooling.y_shape()) || found.itemsize() != pooling.winner_bytes()) {
      throw std::invalid_argument("indices");
    }
    offsets = found.data();
  }
  return pooling.forward(source, result.data(), offsets, kind);
}

// kFine, kNotTaken, or the place of a winner that is no cell of its window inside the input.
constexpr int64_t kNotTaken = -2;
int64_t backward(Pooling& pooling, nb::handle dy, nb::handle winners, nb::handle dx, int kind) {
  const Array source(dy.ptr()), offsets(winners.ptr()), result(dx.ptr());
  if (!pooling.takes_dy(source)) return kNotTaken;
  if (!source.has(pooling.y_shape()) || !offsets.has(pooling.y_shape()) || !offsets.contiguous() ||
      offsets.itemsize() != pooling.winner_bytes() || !result.can_be_result(pooling.shape())) {
    throw std::invalid_argument("shape");
  }
  return pooling.backward(source, offsets.data(), result.data(), kind);
}

// False, and nothing done, where the source is not aligned.
bool sums(Pooling& pooling, nb::handle from, nb::handle to, nb::handle divisors, double by,
          int powers, int kind, bool backward) {
  const Array source(from.ptr()), result(to.ptr());
  if (!source.aligned()) return false;
  if (!source.has(backward ? pooling.y_shape() : pooling.shape()) ||
      !result.can_be_result(backward ? pooling.shape() : pooling.y_shape())) {
    throw std::invalid_argument("shape");
  }
  const void* table = nullptr;
  if (!divisors.is_none()) {
    const Array found(divisors.ptr());
    if (!found.has(pooling.out()) || !found.contiguous() ||
        found.itemsize() != Pooling::computed_bytes(kind)) {
      throw std::invalid_argument("divisors");
    }
    table = found.data();
  }
  pooling.sums(source, result.data(), table, by, powers, kind, backward);
  return true;
}

// A call that was made before, by the geometry and the kernel that did it.
struct Call {
  nb::object owner;  // of the pooling
  Pooling* pooling;
  int kind;
  bool winners;
};

enum Function { kForward, kBackward };
Recall<Call>& recall() {
  static Recall<Call>& calls = *new Recall<Call>;  // which objects of Python's outlive
  return calls;
}

nb::object none() { return nb::none(); }

// (x, the other arguments of max_pool) -> what it returns, or None if that is not known here.
nb::object forward_again(PyObject* const* arguments, Py_ssize_t count) {
  if (!PyArray_CheckExact(arguments[0])) return none();
  auto* x = reinterpret_cast<PyArrayObject*>(arguments[0]);
  const auto call = recall().find({kForward, x, arguments + 1, count - 1});
  const Array source(arguments[0]);
  if (!call || !call->pooling->takes_x(source)) return none();
  const nb::object y = new_array(call->pooling->y_shape(), PyArray_DESCR(x));
  void* values = Array(y.ptr()).data();
  if (!call->winners) {
    return call->pooling->forward(source, values, nullptr, call->kind) ? y : none();
  }
  PyArray_Descr* offset = PyArray_DescrFromType(offset_type(call->pooling->winner_bytes()));
  const nb::object winners = new_array(call->pooling->y_shape(), offset);
  Py_DECREF(offset);
  void* offsets = Array(winners.ptr()).data();
  if (!call->pooling->forward(source, values, offsets, call->kind)) return none();
  return nb::steal(PyTuple_Pack(2, y.ptr(), winners.ptr()));
}

// (dy, indices, the other arguments of max_pool_backward) -> what it returns, or None.
nb::object backward_again(PyObject* const* arguments, Py_ssize_t count) {
  if (!PyArray_CheckExact(arguments[0]) || !PyArray_CheckExact(arguments[1])) return none();
  auto* dy = reinterpret_cast<PyArrayObject*>(arguments[0]);
  auto* indices = reinterpret_cast<PyArrayObject*>(arguments[1]);
  const auto call = recall().find({kBackward, dy, arguments + 2, count - 2});
  if (!call) return none();
  const Array source(arguments[0]), winners(arguments[1]);
  if (!call->pooling->takes_dy(source) || !winners.contiguous() ||
      !winners.has(call->pooling->y_shape()) ||
      PyArray_TYPE(indices) != offset_type(call->pooling->winner_bytes()) ||
      !PyArray_ISNOTSWAPPED(indices)) {
    return none();
  }
  nb::object dx = new_array(call->pooling->shape(), PyArray_DESCR(dy));
  const int64_t bad =
      call->pooling->backward(source, winners.data(), Array(dx.ptr()).data(), call->kind);
  return bad == Pooling::kFine ? dx : none();  // the long way says what is wrong
}

// (array, the arguments behind the arrays, pooling, kind, winners): remember this call.
template <Function kFunction>
nb::object keep(PyObject* const* arguments, Py_ssize_t count) {
  if (!PyArray_CheckExact(arguments[0])) return none();
  const nb::handle pooling = arguments[count - 3];
  auto call = std::make_shared<Call>(Call{nb::borrow(pooling), nb::cast<Pooling*>(pooling),
                                          nb::cast<int>(nb::handle(arguments[count - 2])),
                                          nb::cast<bool>(nb::handle(arguments[count - 1]))});
  auto* array = reinterpret_cast<PyArrayObject*>(arguments[0]);
  recall().keep({kFunction, array, arguments + 1, count - 4}, std::move(call));
  return none();
}

// As a function of Python's own kind: nanobind would look at each argument.
template <nb::object (*kFunction)(PyObject* const*, Py_ssize_t), Py_ssize_t kLeast>
PyObject* bare(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < kLeast) {
    PyErr_SetString(PyExc_TypeError, "too few arguments");
    return nullptr;
  }
  try {
    return kFunction(arguments, count).release().ptr();
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

template <nb::object (*kFunction)(PyObject* const*, Py_ssize_t), Py_ssize_t kLeast>
PyMethodDef method(const char* name) {
  return {name,
          reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(bare<kFunction, kLeast>)),
          METH_FASTCALL, nullptr};
}

PyMethodDef methods[] = {
    method<forward_again, 1>("forward_again"),
    method<backward_again, 2>("backward_again"),
    method<keep<kForward>, 4>("keep_forward"),
    method<keep<kBackward>, 4>("keep_backward"),
    {},
};

}  // namespace
}  // namespace ndpool

NB_MODULE(_native, m) {
  using namespace ndpool;
  using Sizes = const std::vector<int64_t>&;
  if (_import_array() < 0) throw nb::python_error();
  PyModule_AddFunctions(m.ptr(), methods);
  nb::set_leak_warnings(false);  // the cache of geometries lives until the process ends
  m.attr("MOST_AXES") = kMostAxes;
  m.attr("MOST_DIMENSIONS") = kMostOuter;
  m.attr("NOT_TAKEN") = kNotTaken;
  m.def("set_num_threads", [](int threads) { most_threads = threads; });
  m.def("set_kept_memory", [](size_t bytes) { KeptMemory::get().set_most(bytes); });
  m.def("kept_memory", [] { return KeptMemory::get().most(); });
  m.def("kept_now", [] { return KeptMemory::get().kept(); });
  m.def("empty", [](std::vector<int64_t> shape, nb::handle dtype) {
    if (!PyArray_DescrCheck(dtype.ptr())) throw std::invalid_argument("dtype");
    return new_array(shape, reinterpret_cast<PyArray_Descr*>(dtype.ptr()));
  });
  m.def("num_threads", [] { return most_threads.load(); });
  m.def("instruction_set", [] { return std::string(chosen.load()->name); });
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const Kernels* kernels : available()) names.emplace_back(kernels->name);
    return names;
  });
  m.def("set_instruction_set", [](const std::string& name) {
    for (const Kernels* kernels : available()) {
      if (kernels->name == name) {
        chosen = kernels;
        return;
      }
    }
    throw std::invalid_argument(name);
  });
  nb::class_<Pooling>(m, "Pooling")
      .def(
          nb::init<std::vector<int64_t>, Sizes, Sizes, Sizes, Sizes, Sizes, std::vector<int64_t>>())
      .def("serves_backward", &Pooling::serves_backward)
      .def("forward", forward, nb::arg(), nb::arg(), nb::arg().none(), nb::arg())
      .def("backward", backward)
      .def("repeats", &Pooling::repeats)
      .def("serves_sums", &Pooling::serves_sums)
      .def("sums", sums, nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(),
           nb::arg());
}
