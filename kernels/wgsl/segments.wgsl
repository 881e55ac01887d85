// What gates of several shards share. The importing kernel declares route_segment(i), the shard of element i of its route
// lists, and logit(i).

// The largest logit over the entries of one shard, for the token whose logits begin at `row`.
fn segment_max(row: u32, list: u32, entries: u32, segment: u32) -> f32 {
  var largest = -3.4028234e38;
  for (var e = 0u; e < entries; e++) {
    if (route_segment(list + e) == segment) {
      largest = max(largest, logit(row + e));
    }
  }
  return largest;
}

// log Σ exp(logit) over them.
fn segment_log_sum_exp(row: u32, list: u32, entries: u32, segment: u32) -> f32 {
  let largest = segment_max(row, list, entries, segment);
  var sum = 0.0;
  for (var e = 0u; e < entries; e++) {
    if (route_segment(list + e) == segment) {
      sum += exp(logit(row + e) - largest);
    }
  }
  return largest + log(sum);
}
