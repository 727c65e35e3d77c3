/**
 * The one list of cases, for every file system and every way to reach it.
 * @module
 */
import type { Case } from "./case.ts";
import { attributeCases } from "./families/attributes.ts";
import { fileCases } from "./families/files.ts";
import { linkCases } from "./families/links.ts";
import { lookupCases } from "./families/lookup.ts";
import { namespaceCases } from "./families/namespace.ts";

import { sparseCases } from "./families/sparse.ts";

export const cases: Case[] = [
  ...lookupCases,
  ...namespaceCases,
  ...attributeCases,
  ...linkCases,
  ...fileCases,
  ...sparseCases,
];
