import type { HtmlEscapedString } from 'hono/utils/html';
import type { Site } from '../site.js';
import type { Frame } from './frame.js';

/** What a page is asked for. */
export interface PageRequest {
  site: Site;
  frame: Frame;
  /** A part of the address, such as the set. */
  param(name: string): string;
  /** A value of the query; empty when it is not there. */
  query(name: string): string;
  /** The same for a name of the sources, as a byte string; undefined when it is not there. */
  name(key: string): string | undefined;
}

/** A page: its title, and what stands below the head. */
export interface Page {
  title: string;
  body: HtmlEscapedString | Promise<HtmlEscapedString>;
  /** True for one that is made again and again while somebody looks at it. Others stay as they are: they cost more. */
  live?: true;
}

/** Makes a page. What it throws is told on the page, in its sentence. */
export type MakePage = (request: PageRequest) => Promise<Page>;
