// One workgroup a block of tokens by the query heads of one key-value head: up to ROWS rows, a chunk of positions after the
// other, or the one chunk that the work names. A chunk goes by in tiles. The lanes change roles: a lane scores one position
// for half of the rows; then four lanes make a row's scores into shares; then a lane holds four channels of the result of
// some rows. Each sum of a row has an order of its own, in which neither the other rows nor ROWS or CHANNELS take part.
// Where a row has more than 64 fours of channels, workgroups score it again for the next 64.
#import softmax
const LANES = 64u;
const TILE = 32u;
// Channels of queries and keys in workgroup memory, in fours.
const SLICE = 16u;
// Lanes that make shares of a row, and fours of positions of each.
const SHARERS = 4u;
const SHARE_FOURS = TILE / 4u / SHARERS;
// Rows that are not in one bank each.
const SCORES = TILE + 1u;
const SCORERS = LANES / TILE;
const SCORED = ROWS / SCORERS;
const HOLDERS = LANES / CHANNELS;
const HELD = (ROWS + HOLDERS - 1u) / HOLDERS;
const MOST_ROWS = 16u;
// What a lane loads before it uses any of it, so that it waits once: of a tile's keys, and positions' values.
const KEYS_AT_ONCE = TILE * SLICE / LANES;
const VALUES_AT_ONCE = select(8u, 16u, ROWS <= 4u);
const NONE = 0xffffffffu;

override H: u32;
override KV: u32;
override D: u32;
override page_size: u32;

// A head's channels, in fours; query heads of a key-value head.
override width = D / 4u;
override heads = H / KV;

struct Params {
  W: u32,
  max_pages: u32,
  block: u32,
  page_table_at: u32,
  sequences_at: u32,
  positions_at: u32,
  work_at: u32,
}

@group(0) @binding(0) var<storage, read> q: array<vec4f>;
@group(0) @binding(1) var<storage, read> k_pages: array<vec4f>;
@group(0) @binding(2) var<storage, read> v_pages: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read> packed: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

// At most 16,384 bytes in all: no more is promised.
var<workgroup> queries: array<vec4f, ROWS * SLICE>;
// The keys of a tile, and when they have been scored, its shares, row by row.
var<workgroup> tile: array<vec4f, TILE * SLICE>;
var<workgroup> scores: array<f32, ROWS * SCORES>;
var<workgroup> share_sums: array<f32, ROWS * SHARERS>;
// Where the chunk's positions lie in the cache, in fours.
var<workgroup> places: array<u32, CHUNK>;
// What each row's sum in the chunk still counts at a tile.
var<workgroup> fades: array<f32, ROWS>;
// What each row's sum counts at the end of a chunk, and what the chunk's own does.
var<workgroup> chunk_fades: array<vec2f, ROWS>;
var<workgroup> inverses: array<f32, ROWS>;

// Key c of position p in `tile`: lanes that read one c of neighbouring positions do not meet in a bank.
fn key_at(p: u32, c: u32) -> u32 {
  return p * SLICE + (c ^ (p % SLICE));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let spans = (width + CHANNELS - 1u) / CHANNELS;
  let row_tiles = (params.block * heads + MOST_ROWS - 1u) / MOST_ROWS;
  var index = group.y * groups.x + group.x;
  let span = index % spans;
  index /= spans;
  let first_row = index % row_tiles * ROWS;
  index /= row_tiles;
  let head = index % KV;
  let work = params.work_at + index / KV * 4u;
  if (index / KV >= params.W) {
    return;
  }
  let first = packed[work];
  let tokens = packed[work + 1u];
  let only = packed[work + 2u];
  let entry = packed[work + 3u];
  let position = packed[params.positions_at + first];
  let pages = params.page_table_at + packed[params.sequences_at + first] * params.max_pages;
  if (first_row >= tokens * heads) {
    return;
  }
  let rows = min(ROWS, tokens * heads - first_row);
  // A row is a query head of a token: row r sees this many positions.
  let end = position + (first_row + rows - 1u) / heads + 1u;
  let chunks = (position + tokens + CHUNK - 1u) / CHUNK;
  let is_split = only != NONE;
  let first_chunk = select(0u, only, is_split);
  let end_chunk = min(select(chunks, only + 1u, is_split), (end + CHUNK - 1u) / CHUNK);
  let scale = 1.0 / sqrt(f32(D));

  let scorer = lane / TILE;
  let scored = lane % TILE;
  let share_row = lane / SHARERS;
  let sharer = lane % SHARERS;
  let share_length = position + (first_row + share_row) / heads + 1u;
  let holder = lane / CHANNELS;
  let channel = span * CHANNELS + lane % CHANNELS;
  // Of the row share_row, over all chunks so far.
  var most = LOWEST;
  var sum = 0.0;
  for (var chunk = first_chunk; chunk < end_chunk; chunk++) {
    let start = chunk * CHUNK;
    let length = min(end - start, CHUNK);
    workgroupBarrier();
    // To the end of a tile: what lies behind the last position counts nothing, but must be a number.
    for (var i = lane; i < (length + TILE - 1u) / TILE * TILE; i += LANES) {
      let at = start + min(i, length - 1u);
      let place = packed[pages + at / page_size] * page_size + at % page_size;
      places[i] = (place * KV + head) * width;
    }
    workgroupBarrier();
    var top = LOWEST;
    var total = 0.0;
    var held: array<vec4f, HELD>;
    for (var j = 0u; j < HELD; j++) {
      held[j] = vec4f();
    }
    for (var before = 0u; before < length; before += TILE) {
      let count = min(TILE, length - before);
      var products: array<vec4f, SCORED>;
      for (var j = 0u; j < SCORED; j++) {
        products[j] = vec4f();
      }
      for (var slice = 0u; slice < width; slice += SLICE) {
        let fours = min(SLICE, width - slice);
        var keys: array<vec4f, KEYS_AT_ONCE>;
        for (var j = 0u; j < KEYS_AT_ONCE; j++) {
          let i = j * LANES + lane;
          keys[j] = k_pages_at(places[before + i / SLICE] + slice + min(i % SLICE, fours - 1u));
        }
        workgroupBarrier();
        // A narrow head's queries stay.
        if (width > SLICE || (chunk == first_chunk && before == 0u)) {
          for (var i = lane; i < rows * SLICE; i += LANES) {
            let row = first_row + i / SLICE;
            let c = i % SLICE;
            if (c < fours) {
              let query = (first + row / heads) * H + head * heads + row % heads;
              queries[i] = q[query * width + slice + c] * scale;
            }
          }
        }
        for (var j = 0u; j < KEYS_AT_ONCE; j++) {
          let i = j * LANES + lane;
          tile[key_at(i / SLICE, i % SLICE)] = keys[j];
        }
        workgroupBarrier();
        for (var c = 0u; c < fours; c++) {
          let key = tile[key_at(scored, c)];
          for (var j = 0u; j < SCORED; j++) {
            products[j] = fma(queries[(j * SCORERS + scorer) * SLICE + c], key, products[j]);
          }
        }
      }
      for (var j = 0u; j < SCORED; j++) {
        let product = products[j];
        scores[(j * SCORERS + scorer) * SCORES + scored] = (product.x + product.y) + (product.z + product.w);
      }
      workgroupBarrier();
      let top_before = top;
      if (share_row < ROWS) {
        // Positions of the tile that the row sees; the others do not count.
        let seen = min(max(share_length, start + before) - (start + before), count);
        for (var i = 0u; i < TILE; i++) {
          top = max(top, select(LOWEST, scores[share_row * SCORES + i], i < seen));
        }
        var shares = vec4f();
        for (var four = 0u; four < SHARE_FOURS; four++) {
          let at = (sharer * SHARE_FOURS + four) * 4u;
          let begin = share_row * SCORES + at;
          let score = vec4f(scores[begin], scores[begin + 1u], scores[begin + 2u], scores[begin + 3u]);
          let is_seen = vec4u(at, at + 1u, at + 2u, at + 3u) < vec4u(seen);
          let share = select(vec4f(), exp(score - top), is_seen);
          tile[(share_row * TILE + at) / 4u] = share;
          shares += share;
        }
        share_sums[lane] = (shares.x + shares.y) + (shares.z + shares.w);
        if (sharer == 0u) {
          fades[share_row] = faded(top_before, top);
        }
      }
      workgroupBarrier();
      if (share_row < ROWS) {
        let at = share_row * SHARERS;
        let shares = (share_sums[at] + share_sums[at + 1u]) + (share_sums[at + 2u] + share_sums[at + 3u]);
        total = fma(total, faded(top_before, top), shares);
      }
      if (channel < width) {
        for (var j = 0u; j < HELD; j++) {
          held[j] *= fades[min(j * HOLDERS + holder, ROWS - 1u)];
        }
        for (var i = 0u; i < count; i += VALUES_AT_ONCE) {
          var values: array<vec4f, VALUES_AT_ONCE>;
          for (var k = 0u; k < VALUES_AT_ONCE; k++) {
            values[k] = v_pages_at(places[before + i + k] + channel);
          }
          for (var j = 0u; j < HELD; j++) {
            let shares = (min(j * HOLDERS + holder, ROWS - 1u) * TILE + i) / 4u;
            var value = held[j];
            for (var k = 0u; k < VALUES_AT_ONCE; k += 4u) {
              let share = tile[shares + k / 4u];
              value = fma(values[k], vec4f(share.x), value);
              value = fma(values[k + 1u], vec4f(share.y), value);
              value = fma(values[k + 2u], vec4f(share.z), value);
              value = fma(values[k + 3u], vec4f(share.w), value);
            }
            held[j] = value;
          }
        }
      }
    }

    let shows = start < share_length;
    if (is_split) {
      let step = (width + 1u) * H;
      if (share_row < rows && sharer == 0u && span == 0u && shows) {
        let row = first_row + share_row;
        let at = (entry + row / heads * chunks + chunk) * step + (head * heads + row % heads) * (width + 1u);
        partials[at] = vec4f(top, total, 0.0, 0.0);
      }
      for (var j = 0u; j < HELD; j++) {
        let held_row = j * HOLDERS + holder;
        let row = first_row + held_row;
        if (held_row < rows && channel < width && start <= position + row / heads) {
          let at = (entry + row / heads * chunks + chunk) * step + (head * heads + row % heads) * (width + 1u);
          partials[at + 1u + channel] = held[j];
        }
      }
      continue;
    }
    if (share_row < ROWS) {
      // A row that does not show in this chunk keeps what it has.
      var fade = vec2f(1.0, 0.0);
      if (chunk == 0u) {
        most = top;
        sum = total;
      } else if (shows) {
        let largest = max(most, top);
        fade = vec2f(faded(most, largest), faded(top, largest));
        sum = folded(sum, fade.x, total, fade.y);
        most = largest;
      }
      if (sharer == 0u) {
        chunk_fades[share_row] = fade;
        inverses[share_row] = 1.0 / sum;
      }
    }
    workgroupBarrier();
    for (var j = 0u; j < HELD; j++) {
      let held_row = j * HOLDERS + holder;
      let row = first_row + held_row;
      if (held_row < rows && channel < width) {
        let at = ((first + row / heads) * H + head * heads + row % heads) * width + channel;
        var value = held[j];
        if (chunk > 0u) {
          let so_far = o[at];
          let fade = chunk_fades[held_row];
          value = select(so_far, folded_values(so_far, fade.x, value, fade.y), start <= position + row / heads);
        }
        o[at] = select(value, value * inverses[held_row], chunk + 1u == end_chunk);
      }
    }
  }
}
