CREATE TABLE `archived_messages` (
	`message_id` text PRIMARY KEY NOT NULL,
	`archived_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `idx_archived_messages_age` ON `archived_messages` (`archived_at`);--> statement-breakpoint
CREATE TABLE `buffer_logs` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`message_id` text NOT NULL,
	`dataset_id` text NOT NULL,
	`table_name` text NOT NULL,
	`period` text NOT NULL,
	`schema_fingerprint` text NOT NULL,
	`record_count` integer NOT NULL,
	`min_time` integer NOT NULL,
	`max_time` integer NOT NULL,
	`bytes` integer NOT NULL,
	`created_at` integer NOT NULL,
	`data` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `buffer_logs_message_id_unique` ON `buffer_logs` (`message_id`);--> statement-breakpoint
CREATE INDEX `idx_buffer_logs_read` ON `buffer_logs` (`dataset_id`,`table_name`,`min_time`,`max_time`);--> statement-breakpoint
CREATE INDEX `idx_buffer_logs_archive` ON `buffer_logs` (`table_name`,`period`,`id`);--> statement-breakpoint
CREATE TABLE `archived_files` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`file_path` text NOT NULL,
	`table_name` text NOT NULL,
	`period` text NOT NULL,
	`file_size` integer NOT NULL,
	`header_size` integer NOT NULL,
	`compression_codec` text NOT NULL,
	`sha256` text NOT NULL,
	`sync_marker` text NOT NULL,
	`schema_fingerprint` text NOT NULL,
	`record_count` integer NOT NULL,
	`block_count` integer NOT NULL,
	`min_time` integer NOT NULL,
	`max_time` integer NOT NULL,
	`created_at` integer NOT NULL,
	`last_modified_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `archived_files_file_path_unique` ON `archived_files` (`file_path`);--> statement-breakpoint
CREATE INDEX `idx_archived_files_period` ON `archived_files` (`table_name`,`period`);--> statement-breakpoint
CREATE TABLE `block_indexes` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`file_id` integer NOT NULL,
	`dataset_id` text NOT NULL,
	`table_name` text NOT NULL,
	`start_byte` integer NOT NULL,
	`length` integer NOT NULL,
	`crc32` integer NOT NULL,
	`record_count` integer NOT NULL,
	`start_timestamp` integer NOT NULL,
	`end_timestamp` integer NOT NULL,
	FOREIGN KEY (`file_id`) REFERENCES `archived_files`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `idx_block_indexes_dataset_table` ON `block_indexes` (`dataset_id`,`table_name`,`start_timestamp`,`end_timestamp`);--> statement-breakpoint
CREATE INDEX `idx_block_indexes_file` ON `block_indexes` (`file_id`,`start_byte`);--> statement-breakpoint
CREATE TABLE `leases` (
	`name` text PRIMARY KEY NOT NULL,
	`holder` text NOT NULL,
	`fence` integer NOT NULL,
	`expires_at` integer NOT NULL
);
