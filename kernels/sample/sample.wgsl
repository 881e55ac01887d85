// One workgroup a row. Tokens are counted, or their shares summed, in bins of shared memory by a digit of their key or id;
// the bin in which the sum reaches a target is where the next digit is looked at. Shares are whole multiples of 2⁻³¹, so
// that no sum depends on the order of the lanes. Logits are read as bits: WGSL promises nothing of values that are not
// finite.
const LANES = 256u;
const BINS = 2048u;
const BINS_OF_LANE = BINS / LANES;
const GROUPS = 16u;
const NONE = 0xffffffffu;
const INFINITY_BITS = 0x7f800000u;
// Keys of +Infinity and of all that is no number are up to the first; −Infinity has the second.
const LARGEST_BROKEN_KEY = 0x007fffffu;
const MASKED_KEY = 0xff800000u;

override V: u32;

struct Params {
  rows: u32,
  settings_at: u32,
  limits_at: u32,
  seen_at: u32,
}

@group(0) @binding(0) var<storage, read_write> logits: array<u32>;
@group(0) @binding(1) var<storage, read_write> raw: array<u32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> sampled: array<f32>;
@group(0) @binding(4) var<storage, read> packed: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

// What a target means to `find`: a place in the order, a share of the sum that must be reached, one that must be passed.
const RANK = 0u;
const REACH = 1u;
const PASS = 2u;

struct Found {
  bin: u32,
  // In the bin, and the target from the bin's begin on.
  inside: u32,
  rest: u32,
}

struct Best {
  key: u32,
  id: u32,
}

var<workgroup> bins: array<atomic<u32>, BINS>;
var<workgroup> lane_counts: array<u32, LANES>;
var<workgroup> group_counts: array<u32, GROUPS>;
var<workgroup> lane_bests: array<Best, LANES>;
var<workgroup> lane_sums: array<f32, LANES>;
var<workgroup> found: Found;
var<workgroup> tie_mass: u32;
var<workgroup> own_logit: u32;

// The row, the same for all lanes.
var<private> row: u32;
var<private> top: f32;
var<private> inverse_temperature: f32;
var<private> min_p: f32;
// From a weight to its share in 2⁻³¹.
var<private> scale: f32;
// Kept are keys below the first, and of that key ids up to the second.
var<private> cut_key: u32;
var<private> cut_id: u32;
var<private> counting: bool;
var<private> ties_only: bool;

// Smaller for larger logits, in their order; both zeros are one.
fn key_of(bits: u32) -> u32 {
  let plain = select(bits, 0u, bits == 0x80000000u);
  return select(plain ^ 0x7fffffffu, plain, plain >> 31u == 1u);
}

fn bits_of(key: u32) -> u32 {
  return select(key ^ 0x7fffffffu, key, key >> 31u == 1u);
}

fn weight_of(bits: u32) -> f32 {
  let weight = exp((bitcast<f32>(bits) - top) * inverse_temperature);
  return select(0.0, weight, weight >= min_p);
}

// One, or the share; 0 for what was cut.
fn mass_of(bits: u32, id: u32) -> u32 {
  let key = key_of(bits);
  if (key >= MASKED_KEY || key > cut_key || (key == cut_key && id > cut_id) || (ties_only && key != cut_key)) {
    return 0u;
  }
  let weight = weight_of(bits);
  let share = u32(fma(weight, scale, 0.5));
  return select(share, select(0u, 1u, weight > 0.0), counting);
}

fn clear_bins(lane: u32) {
  for (var bin = lane; bin < BINS; bin += LANES) {
    atomicStore(&bins[bin], 0u);
  }
  workgroupBarrier();
}

// floor(a · b / 2³²)
fn multiply_high(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let first = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let second = (a & 0xffffu) * (b >> 16u) + (first & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (first >> 16u) + (second >> 16u);
}

// The first bin with which the running sum exceeds the target; bin NONE where all of them do not.
fn find(lane: u32, kind: u32, number: u32) -> Found {
  workgroupBarrier();
  var own = 0u;
  for (var i = 0u; i < BINS_OF_LANE; i++) {
    own += atomicLoad(&bins[lane * BINS_OF_LANE + i]);
  }
  lane_counts[lane] = own;
  if (lane == 0u) {
    found.bin = NONE;
  }
  workgroupBarrier();
  let lanes_of_group = LANES / GROUPS;
  if (lane < GROUPS) {
    var sum = 0u;
    for (var i = 0u; i < lanes_of_group; i++) {
      sum += lane_counts[lane * lanes_of_group + i];
    }
    group_counts[lane] = sum;
  }
  workgroupBarrier();
  var total = 0u;
  var before = 0u;
  let group = lane / lanes_of_group;
  for (var i = 0u; i < GROUPS; i++) {
    before += select(0u, group_counts[i], i < group);
    total += group_counts[i];
  }
  for (var i = group * lanes_of_group; i < lane; i++) {
    before += lane_counts[i];
  }
  var target_sum = number;
  if (kind != RANK) {
    target_sum = multiply_high(number, total);
    // Reached where the sum equals a whole product.
    if (kind == REACH && number * total == 0u && target_sum > 0u) {
      target_sum -= 1u;
    }
  }
  if (target_sum >= before && target_sum - before < own) {
    for (var i = 0u; i < BINS_OF_LANE; i++) {
      let inside = atomicLoad(&bins[lane * BINS_OF_LANE + i]);
      if (target_sum - before < inside) {
        found = Found(lane * BINS_OF_LANE + i, inside, target_sum - before);
        break;
      }
      before += inside;
    }
  }
  return workgroupUniformLoad(&found);
}

// The id at which the running sum over ids exceeds the target, NONE for no such.
fn find_id(lane: u32, kind: u32, number: u32) -> u32 {
  clear_bins(lane);
  for (var block = 0u; block * BINS < V; block++) {
    var sum = 0u;
    for (var id = block * BINS + lane; id < min(block * BINS + BINS, V); id += LANES) {
      sum += mass_of(logits[row + id], id);
    }
    if (sum > 0u) {
      atomicAdd(&bins[block], sum);
    }
  }
  let block = find(lane, kind, number);
  if (block.bin == NONE) {
    return NONE;
  }
  clear_bins(lane);
  let first = block.bin * BINS;
  for (var id = first + lane; id < min(first + BINS, V); id += LANES) {
    atomicStore(&bins[id - first], mass_of(logits[row + id], id));
  }
  return first + find(lane, RANK, block.rest).bin;
}

// Keeps the likeliest until the running sum over keys, then ids, exceeds the target.
fn cut(lane: u32, kind: u32, number: u32) {
  var key = 0u;
  var bin = Found(0u, 0u, number);
  for (var level = 0u; level < 3u; level++) {
    let shift = select(select(0u, 10u, level == 1u), 21u, level == 0u);
    let width = select(11u, 10u, level == 2u);
    clear_bins(lane);
    for (var id = lane; id < V; id += LANES) {
      let bits = logits[row + id];
      let own = key_of(bits);
      if (level == 0u || own >> (shift + width) == key) {
        let mass = mass_of(bits, id);
        if (mass > 0u) {
          atomicAdd(&bins[(own >> shift) & ((1u << width) - 1u)], mass);
        }
      }
    }
    bin = find(lane, select(RANK, kind, level == 0u), bin.rest);
    if (bin.bin == NONE) {
      return;
    }
    key = (key << width) | bin.bin;
  }
  cut_id = select(NONE, cut_id, key == cut_key);
  cut_key = key;
  if (lane == 0u) {
    tie_mass = mass_of(bits_of(key), 0u);
  }
  // The last of equals is kept: nothing to look for.
  if (bin.inside - bin.rest <= workgroupUniformLoad(&tie_mass)) {
    return;
  }
  ties_only = true;
  cut_id = find_id(lane, RANK, bin.rest);
  ties_only = false;
}

// The likeliest, the lowest id of equals; a broken row's key is LARGEST_BROKEN_KEY at most.
fn best_of_row(lane: u32) -> Best {
  var best = Best(NONE, NONE);
  for (var id = lane; id < V; id += LANES) {
    let bits = logits[row + id];
    let key = select(key_of(bits), 0u, (bits & 0x7fffffffu) > INFINITY_BITS);
    if (key < best.key) {
      best = Best(key, id);
    }
  }
  lane_bests[lane] = best;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let other = lane_bests[lane + half];
      let own = lane_bests[lane];
      if (other.key < own.key || (other.key == own.key && other.id < own.id)) {
        lane_bests[lane] = other;
      }
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&lane_bests[0]);
}

// Σ weights of what is kept, in an order that V alone decides.
fn sum_of_weights(lane: u32) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < V; id += LANES) {
    let bits = logits[row + id];
    let key = key_of(bits);
    if (key < MASKED_KEY && (key < cut_key || (key == cut_key && id <= cut_id))) {
      sum += weight_of(bits);
    }
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      lane_sums[lane] += lane_sums[lane + half];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&lane_sums[0]);
}

fn penalise(lane: u32, setting: u32, begin: u32, end: u32) {
  let repetition = bitcast<f32>(packed[setting + 2u]);
  let presence = bitcast<f32>(packed[setting + 3u]);
  let frequency = bitcast<f32>(packed[setting + 4u]);
  for (var entry = begin + lane; entry < end; entry += LANES) {
    let place = row + packed[params.seen_at + entry * 2u];
    let count = packed[params.seen_at + entry * 2u + 1u];
    let bits = logits[place];
    raw[entry] = bits;
    if ((bits & INFINITY_BITS) != INFINITY_BITS) {
      let logit = bitcast<f32>(bits);
      var lowered = select(logit * repetition, logit / repetition, logit > 0.0);
      if (count > 0u) {
        lowered -= presence + frequency * f32(count);
      }
      logits[place] = bitcast<u32>(lowered);
    }
  }
  storageBarrier();
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = group.y * groups.x + group.x;
  if (r >= params.rows) {
    return;
  }
  row = r * V;
  let setting = params.settings_at + r * 5u;
  let limit = params.limits_at + r * 5u;
  let begin = packed[limit + 3u];
  let end = packed[limit + 4u];
  cut_key = NONE;
  cut_id = NONE;

  var best = best_of_row(lane);
  if (best.key <= LARGEST_BROKEN_KEY || best.key >= MASKED_KEY) {
    penalise(lane, setting, begin, end);
    if (lane == 0u) {
      tokens[r] = NONE;
      sampled[r * 2u] = -1.0;
      sampled[r * 2u + 1u] = 0.0;
    }
    return;
  }
  inverse_temperature = 1.0;
  min_p = 0.0;
  let raw_top = bitcast<f32>(bits_of(best.key));
  top = raw_top;
  let log_normaliser = log(sum_of_weights(lane));

  if (end > begin) {
    penalise(lane, setting, begin, end);
    best = best_of_row(lane);
  }
  var token = best.id;
  // 1 / temperature, 0 for greedy.
  let sharpness = bitcast<f32>(packed[setting]);
  if (sharpness > 0.0) {
    top = bitcast<f32>(bits_of(best.key));
    inverse_temperature = sharpness;
    min_p = bitcast<f32>(packed[setting + 1u]);
    let top_k = packed[limit];
    if (top_k > 0u && top_k < V) {
      counting = true;
      cut(lane, RANK, top_k - 1u);
      counting = false;
    }
    scale = 2147483648.0 / sum_of_weights(lane);
    let top_p = packed[limit + 1u];
    if (top_p > 0u) {
      cut(lane, REACH, top_p);
    }
    token = find_id(lane, PASS, packed[limit + 2u]);
  }

  // Of a token that was penalised, the logit from before.
  if (lane == 0u) {
    own_logit = logits[row + token];
  }
  workgroupBarrier();
  for (var entry = begin + lane; entry < end; entry += LANES) {
    if (packed[params.seen_at + entry * 2u] == token) {
      own_logit = raw[entry];
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    tokens[r] = token;
    sampled[r * 2u] = f32(token);
    sampled[r * 2u + 1u] = (bitcast<f32>(own_logit) - raw_top) - log_normaliser;
  }
}
