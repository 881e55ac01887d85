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

struct Params {
  rows: u32,
  V: u32,
  carried: u32,
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

// A row is chosen in four stages, which share their loops: what is written once is compiled once.
const RAW = 0u;
const TOP_K = 1u;
const TOP_P = 2u;
const DRAW = 3u;

// What is looked at in turn: the three digits of a key, then blocks of ids, then the ids of a block.
const KEY_LEVELS = 3u;
const BLOCKS = 3u;
const LEVELS = 5u;

struct Found {
  // NONE where the sum over all bins does not exceed the target.
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
var<workgroup> group_bests: array<Best, GROUPS>;
var<workgroup> lane_sums: array<f32, LANES>;
var<workgroup> group_sums: array<f32, GROUPS>;
var<workgroup> best: Best;
var<workgroup> found: Found;
var<workgroup> tie_mass: u32;
var<workgroup> own_logit: u32;
var<workgroup> latest_logit: u32;
var<workgroup> latest_is_listed: u32;

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

// Smaller for larger logits, in their order; both zeros are one.
fn key_of(bits: u32) -> u32 {
  let plain = select(bits, 0u, bits == 0x80000000u);
  return select(plain ^ 0x7fffffffu, plain, plain >> 31u == 1u);
}

fn bits_of(key: u32) -> u32 {
  return select(key ^ 0x7fffffffu, key, key >> 31u == 1u);
}

fn is_kept(key: u32, id: u32) -> bool {
  return key < MASKED_KEY && (key < cut_key || (key == cut_key && id <= cut_id));
}

fn weight_of(bits: u32) -> f32 {
  let weight = exp((bitcast<f32>(bits) - top) * inverse_temperature);
  return select(0.0, weight, weight >= min_p);
}

// What a kept token adds: one where tokens are counted, else its share.
fn mass_of(bits: u32, stage: u32) -> u32 {
  let weight = weight_of(bits);
  return select(u32(fma(weight, scale, 0.5)), select(0u, 1u, weight > 0.0), stage == TOP_K);
}

// The likeliest into `best`, the lowest id of equals; a broken row's key is LARGEST_BROKEN_KEY at most.
fn find_best(lane: u32) {
  var own = Best(NONE, NONE);
  for (var id = lane; id < params.V; id += LANES) {
    let bits = logits[row + id];
    let key = select(key_of(bits), 0u, (bits & 0x7fffffffu) > INFINITY_BITS);
    if (key < own.key) {
      own = Best(key, id);
    }
  }
  lane_bests[lane] = own;
  workgroupBarrier();
  if (lane < GROUPS) {
    for (var i = lane; i < LANES; i += GROUPS) {
      own = better(own, lane_bests[i]);
    }
    group_bests[lane] = own;
  }
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < GROUPS; i++) {
      own = better(own, group_bests[i]);
    }
    best = own;
  }
}

fn better(a: Best, b: Best) -> Best {
  let second = b.key < a.key || (b.key == a.key && b.id < a.id);
  return Best(select(a.key, b.key, second), select(a.id, b.id, second));
}

// Σ weights of what is kept, in an order that V alone decides.
fn sum_of_weights(lane: u32) -> f32 {
  var sum = 0.0;
  for (var id = lane; id < params.V; id += LANES) {
    let bits = logits[row + id];
    if (is_kept(key_of(bits), id)) {
      sum += weight_of(bits);
    }
  }
  lane_sums[lane] = sum;
  workgroupBarrier();
  if (lane < GROUPS) {
    sum = 0.0;
    for (var i = lane; i < LANES; i += GROUPS) {
      sum += lane_sums[i];
    }
    group_sums[lane] = sum;
  }
  workgroupBarrier();
  sum = 0.0;
  for (var i = 0u; i < GROUPS; i++) {
    sum += group_sums[i];
  }
  return sum;
}

// `latest` counts once more, where it is a token.
fn penalise(lane: u32, setting: u32, begin: u32, end: u32, latest: u32) {
  if (lane == 0u) {
    latest_is_listed = 0u;
    if (latest < params.V) {
      latest_logit = logits[row + latest];
    }
  }
  workgroupBarrier();
  for (var entry = begin + lane; entry < end; entry += LANES) {
    let token = packed[params.seen_at + entry * 2u];
    var count = packed[params.seen_at + entry * 2u + 1u];
    if (token == latest) {
      latest_is_listed = 1u;
      count++;
    }
    raw[entry] = logits[row + token];
    lower(row + token, setting, count);
  }
  workgroupBarrier();
  if (lane == 0u && latest_is_listed == 0u && latest < params.V) {
    lower(row + latest, setting, 1u);
  }
  storageBarrier();
}

fn lower(place: u32, setting: u32, count: u32) {
  let repetition = bitcast<f32>(packed[setting + 2u]);
  let presence = bitcast<f32>(packed[setting + 3u]);
  let frequency = bitcast<f32>(packed[setting + 4u]);
  let bits = logits[place];
  if ((bits & INFINITY_BITS) == INFINITY_BITS) {
    return;
  }
  let logit = bitcast<f32>(bits);
  var lowered = select(logit * repetition, logit / repetition, logit > 0.0);
  if (count > 0u) {
    lowered -= presence + frequency * f32(count);
  }
  logits[place] = bitcast<u32>(lowered);
}

// Fills the bins of a level. Looked at are keys that begin with the digits of `prefix`; below the digits, the ids of it.
fn count_level(lane: u32, stage: u32, level: u32, prefix: u32) {
  for (var bin = lane; bin < BINS; bin += LANES) {
    atomicStore(&bins[bin], 0u);
  }
  workgroupBarrier();
  let shift = select(select(0u, 10u, level == 1u), 21u, level == 0u);
  let width = select(11u, 10u, level == 2u);
  let first = select(0u, prefix * BINS, level > BLOCKS);
  let last = select(params.V, min(first + BINS, params.V), level > BLOCKS);
  for (var block = first; block < last; block += BINS) {
    var sum = 0u;
    for (var id = block + lane; id < min(block + BINS, last); id += LANES) {
      let bits = logits[row + id];
      let key = key_of(bits);
      let digits = key >> min(shift + width, 31u);
      let wanted = select(
        level == 0u || digits == prefix,
        stage == DRAW || key == cut_key,
        level >= BLOCKS,
      );
      if (wanted && is_kept(key, id)) {
        let mass = mass_of(bits, stage);
        sum += mass;
        if (level != BLOCKS && mass > 0u) {
          atomicAdd(&bins[select((key >> shift) & ((1u << width) - 1u), id - first, level > BLOCKS)], mass);
        }
      }
    }
    if (level == BLOCKS && sum > 0u) {
      atomicAdd(&bins[block / BINS], sum);
    }
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

// Into `found`, the first bin with which the running sum exceeds the target: a number, or a share of the sum in 2⁻³².
fn find_bin(lane: u32, number: u32, is_share: bool, reach: bool) {
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
  var sought = number;
  if (is_share) {
    sought = multiply_high(number, total);
    // A sum that equals the share reaches it.
    if (reach && number * total == 0u && sought > 0u) {
      sought -= 1u;
    }
  }
  if (sought >= before && sought - before < own) {
    for (var i = 0u; i < BINS_OF_LANE; i++) {
      let inside = atomicLoad(&bins[lane * BINS_OF_LANE + i]);
      if (sought - before < inside) {
        found = Found(lane * BINS_OF_LANE + i, inside, sought - before);
        break;
      }
      before += inside;
    }
  }
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
  row = r * params.V;
  let setting = params.settings_at + r * 5u;
  let limit = params.limits_at + r * 5u;
  let begin = packed[limit + 3u];
  let end = packed[limit + 4u];
  // 1 / temperature, 0 for greedy.
  let sharpness = bitcast<f32>(packed[setting]);
  let top_k = packed[limit];
  let top_p = packed[limit + 1u];
  var latest = NONE;
  if (params.carried == 1u && end > begin) {
    latest = tokens[r];
  }
  cut_key = NONE;
  cut_id = NONE;
  inverse_temperature = 1.0;
  min_p = 0.0;

  var raw_top = 0.0;
  var log_normaliser = 0.0;
  var token = NONE;
  for (var stage = RAW; stage <= DRAW; stage++) {
    if (stage == RAW || (stage == TOP_K && end > begin)) {
      find_best(lane);
    }
    if (stage <= TOP_K) {
      let likeliest = workgroupUniformLoad(&best);
      if (likeliest.key <= LARGEST_BROKEN_KEY || likeliest.key >= MASKED_KEY) {
        if (stage == TOP_K) {
          break;
        }
      } else {
        token = likeliest.id;
      }
      top = bitcast<f32>(bits_of(likeliest.key));
    }
    if (stage == TOP_K) {
      if (sharpness == 0.0) {
        break;
      }
      inverse_temperature = sharpness;
      min_p = bitcast<f32>(packed[setting + 1u]);
    }
    if (stage == RAW || stage == TOP_P) {
      let sum = sum_of_weights(lane);
      scale = 2147483648.0 / sum;
      if (stage == RAW) {
        raw_top = top;
        log_normaliser = log(sum);
        if (end > begin) {
          penalise(lane, setting, begin, end, latest);
        }
        continue;
      }
    }
    if ((stage == TOP_K && (top_k == 0u || top_k >= params.V)) || (stage == TOP_P && top_p == 0u)) {
      continue;
    }
    var number = select(select(packed[limit + 2u], top_p, stage == TOP_P), top_k - 1u, stage == TOP_K);
    var is_share = stage != TOP_K;
    var prefix = 0u;
    for (var level = select(0u, BLOCKS, stage == DRAW); level < LEVELS; level++) {
      count_level(lane, stage, level, prefix);
      find_bin(lane, number, is_share, stage == TOP_P);
      let bin = workgroupUniformLoad(&found);
      if (bin.bin == NONE) {
        break;
      }
      number = bin.rest;
      is_share = false;
      if (level < KEY_LEVELS) {
        prefix = (prefix << select(11u, 10u, level == 2u)) | bin.bin;
      } else if (level == BLOCKS) {
        prefix = bin.bin;
      } else {
        token = select(token, prefix * BINS + bin.bin, stage == DRAW);
        cut_id = prefix * BINS + bin.bin;
      }
      if (level == KEY_LEVELS - 1u) {
        cut_id = select(NONE, cut_id, prefix == cut_key);
        cut_key = prefix;
        if (lane == 0u) {
          tie_mass = mass_of(bits_of(cut_key), stage);
        }
        // The last of equals is kept: nothing to look for.
        if (bin.inside - bin.rest <= workgroupUniformLoad(&tie_mass)) {
          break;
        }
      }
    }
  }

  if (token == NONE) {
    if (lane == 0u) {
      tokens[r] = NONE;
      sampled[r * 2u] = -1.0;
      sampled[r * 2u + 1u] = 0.0;
    }
    return;
  }
  // Of a token that was penalised, the logit from before.
  if (lane == 0u) {
    own_logit = select(logits[row + token], latest_logit, token == latest);
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
