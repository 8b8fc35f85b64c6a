import type { LanguageTag } from '../../messages/language.js';
import type { SharedGroup } from '../shared-group.js';
import type { ChannelSettings } from './channels.js';
import type { HookSettings } from './hooks.js';
import type { Retentions } from './retention.js';
import type { DriveKind } from './setting-types.js';
import type { SettingName, SettingValues } from './settings-schema.js';

/** A drive of this installation. */
export interface DriveSettings {
  name: string;
  /** Absolute path of the mount point or folder. */
  path: string;
  kind: DriveKind;
  /** True for the default folder inside the data folder: it is ours, so it is created and labelled at first use. */
  ours: boolean;
  /** The host that has it, where that is another one. */
  host?: string;
}

/** Every setting in force, with absolute paths and the defaults that depend on other settings filled in. */
export interface Settings extends Omit<SettingValues, 'TAPE_PATH'> {
  TAPE_PATH: string;
  TAPEFLOW_HOST: string;
  LANGUAGE_TAG: LanguageTag;
  COMPRESSION_LEVEL: number;
  STAGING_MAX_BYTES: number;
  TAPE_SYNC_BYTES: number;
  CATALOG_URL: string;
  TAPEFLOW_LOCK_DIR: string;
  /** The group of `TAPEFLOW_SHARED_GROUP`. */
  sharedGroup?: SharedGroup;
  drives: DriveSettings[];
  retentions: Retentions;
  /** Where people are told of what happens. */
  channels: ChannelSettings[];
  /** What can be run before and after sets of this host's sources, by name. */
  hooks: Record<string, HookSettings>;
  /** The folder that relative settings start from. */
  homeDir: string;
  /** Where each value comes from: `default`, `environment` or the path of the file. */
  origins: Record<SettingName | 'drives' | 'pools' | 'notify' | 'hooks', string>;
}
