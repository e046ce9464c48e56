/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of the fiber suite, written twice: as fiber_c.<row> in plain C against bp.fiber/1, as fiber_cpp.<row>
 * against the SDK's class. The tests say in a sentence what each shows.
 */
#ifndef FIBER_ROWS_H
#define FIBER_ROWS_H

/* Programs that judge themselves: they answer "ok", or what was found and what was expected. */
#define FIBER_ROWS(X)      \
  X(open_twice)            \
  X(create_refused)        \
  X(create_waits)          \
  X(switch_to_self)        \
  X(switch_to_gone)        \
  X(active_on_both_sides)  \
  X(ids_never_reused)      \
  X(destroy_self)          \
  X(destroy_main)          \
  X(destroy_gone)          \
  X(destroy_unstarted)     \
  X(destroy_suspended)     \
  X(canceled_again)        \
  X(swallowed)             \
  X(destroy_the_destroyer) \
  X(destroyed_destroys)    \
  X(entry_returned)        \
  X(entry_failed)          \
  X(end_reaches_main)      \
  X(close_unwinds)         \
  X(awaits)                \
  X(waits_for_host)        \
  X(nested)                \
  X(main_waits)            \
  X(game_two_loops)        \
  X(game_loop_and_main)    \
  X(game_there_and_back)   \
  X(game_log)              \
  X(game_destroys)         \
  X(game_ping_pong)        \
  X(game_recursion)        \
  X(game_twenty)           \
  X(game_heap_and_file)    \
  X(game_code_seven)       \
  X(stack_sizes)           \
  X(ten_thousand)          \
  X(stacks_reused)         \
  X(no_stack)              \
  X(limit)                 \
  X(switched_off)

/* Programs that end in a way the test has to judge. */
#define FIBER_LOOSE(X)            \
  X(echo)                         \
  X(main_ends)                    \
  X(early_reply)                  \
  X(early_and_waits)              \
  X(calls_early)                  \
  X(entry_returned_unasked)       \
  X(entry_returned_unasked_twice) \
  X(main_fails)                   \
  X(ended_while_waiting)          \
  X(deadline_kept)                \
  X(takes_stacks)

/* What only C can ask for: the SDK's types rule it out. */
#define FIBER_C_ROWS(X) \
  X(foreign_token)      \
  X(other_thread)       \
  X(in_function)        \
  X(callers_token)

/* What C has no words for. */
#define FIBER_CPP_ROWS(X)  \
  X(switch_in_catch)       \
  X(switch_in_destructor)  \
  X(wait_in_catch)         \
  X(destroy_in_destructor) \
  X(destructors_in_order)  \
  X(nested_exceptions)     \
  X(types_kept)            \
  X(closures_freed)        \
  X(handles)

#endif
