/* rename.h - other names for the double twin's symbols, so that both live in one library.
 *
 * Every external symbol of src/flow stands here, but proof_run, which exists in double only. The
 * linker tells when one is missing. kernel/real.h does the same for src/kernel. */
#ifndef NICEST_FLOW_RENAME_H
#define NICEST_FLOW_RENAME_H

#ifdef NICEST_DOUBLE
#define autoregressive_parse autoregressive_parse_f64
#define batch_padded         batch_padded_f64
#define batch_sum            batch_sum_f64
#define block_add            block_add_f64
#define coupling_parse       coupling_parse_f64
#define elementwise_parse    elementwise_parse_f64
#define entry_centre_row     entry_centre_row_f64
#define entry_close          entry_close_f64
#define entry_dequantise_row entry_dequantise_row_f64
#define entry_encode_row     entry_encode_row_f64
#define entry_log_units      entry_log_units_f64
#define entry_open           entry_open_f64
#define entry_quantise_row   entry_quantise_row_f64
#define entry_restore_row    entry_restore_row_f64
#define entry_set            entry_set_f64
#define flow_block_scratch   flow_block_scratch_f64
#define flow_check           flow_check_f64
#define flow_confine         flow_confine_f64
#define flow_free            flow_free_f64
#define flow_gradient        flow_gradient_f64
#define flow_init            flow_init_f64
#define flow_largest_block   flow_largest_block_f64
#define flow_learn           flow_learn_f64
#define flow_new             flow_new_f64
#define flow_norms           flow_norms_f64
#define flow_run             flow_run_f64
#define flow_threads         flow_threads_f64
#define flow_trace           flow_trace_f64
#define flow_turn            flow_turn_f64
#define flow_turned          flow_turned_f64
#define flow_whole_gradient  flow_whole_gradient_f64
#define flow_workspace_free  flow_workspace_free_f64
#define flow_workspace_new   flow_workspace_new_f64
#define linear_parse         linear_parse_f64
#define logit_parse          logit_parse_f64
#define map_backward         map_backward_f64
#define map_blocks           map_blocks_f64
#define map_forward          map_forward_f64
#define map_gradient         map_gradient_f64
#define map_init             map_init_f64
#define map_keep             map_keep_f64
#define map_norms            map_norms_f64
#define map_operand          map_operand_f64
#define map_panels           map_panels_f64
#define map_tensors          map_tensors_f64
#define map_turn             map_turn_f64
#define marginal_parse       marginal_parse_f64
#define mlp_backward         mlp_backward_f64
#define mlp_blocks           mlp_blocks_f64
#define mlp_close            mlp_close_f64
#define mlp_gradient         mlp_gradient_f64
#define mlp_hidden           mlp_hidden_f64
#define mlp_init             mlp_init_f64
#define mlp_norms            mlp_norms_f64
#define mlp_open             mlp_open_f64
#define mlp_output           mlp_output_f64
#define mlp_output_delta     mlp_output_delta_f64
#define mlp_parse            mlp_parse_f64
#define mlp_parse_hidden     mlp_parse_hidden_f64
#define mlp_prepare          mlp_prepare_f64
#define mlp_step             mlp_step_f64
#define mlp_steps_begin      mlp_steps_begin_f64
#define mlp_tape             mlp_tape_f64
#define mlp_tensors          mlp_tensors_f64
#define mlp_turn             mlp_turn_f64
#define permute_parse        permute_parse_f64
#define prior_deviation      prior_deviation_f64
#define prior_log_density    prior_log_density_f64
#define prior_sample         prior_sample_f64
#define rule_additive        rule_additive_f64
#define rule_affine          rule_affine_f64
#define rule_chunk           rule_chunk_f64
#define rule_parse           rule_parse_f64
#define rule_spline          rule_spline_f64
#define scale_parse          scale_parse_f64
#define spec_close           spec_close_f64
#define spec_count           spec_count_f64
#define spec_count_option    spec_count_option_f64
#define spec_known_options   spec_known_options_f64
#define spec_next_line       spec_next_line_f64
#define spec_number_option   spec_number_option_f64
#define spec_option          spec_option_f64
#define spec_parse           spec_parse_f64
#define spec_refuse          spec_refuse_f64
#define standardise_parse    standardise_parse_f64
#define start_moments        start_moments_f64
#define state_add            state_add_f64
#define state_add_scaled     state_add_scaled_f64
#define state_affine         state_affine_f64
#define state_get_rows       state_get_rows_f64
#define state_narrow         state_narrow_f64
#define state_put_rows       state_put_rows_f64
#define state_widen          state_widen_f64
#define state_subtract       state_subtract_f64
#define tensor_add           tensor_add_f64
#define tile_add_logdet      tile_add_logdet_f64
#define tile_add_weight      tile_add_weight_f64
#define tile_note            tile_note_f64
#define tile_padded          tile_padded_f64
#define tile_squares         tile_squares_f64
#define tile_taped           tile_taped_f64
#endif

#endif
