/** How the process ends, beside 0 for success and 1 for what the message on standard error says. */

/** Of a host whose device was lost or whose model keeps failing: a new process may well serve again (`EX_TEMPFAIL`). */
export const EXIT_START_AGAIN = 75;
