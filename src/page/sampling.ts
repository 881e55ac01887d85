/** How the page asks for answers, wherever they come from. */

/** Qwen3's own advice for direct answers: a small model repeats itself when greedy and rambles at 1. */
export const sampling = { temperature: 0.7, top_p: 0.8, top_k: 20 };
