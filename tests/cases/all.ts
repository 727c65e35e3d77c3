/**
 * The one list of cases, for every file system and every way to reach it.
 * @module
 */
import type { Case } from "./case.ts";
import { aclCases } from "./families/acls.ts";
import { attributeCases } from "./families/attributes.ts";
import { descriptorCases } from "./families/descriptors.ts";
import { directoryCases } from "./families/directories.ts";
import { fileCases } from "./families/files.ts";
import { limitCases } from "./families/limits.ts";
import { linkCases } from "./families/links.ts";
import { lockCases } from "./families/locks.ts";
import { lookupCases } from "./families/lookup.ts";
import { memoryCases } from "./families/memory.ts";
import { namespaceCases } from "./families/namespace.ts";
import { openingCases } from "./families/opening.ts";
import { parentCases } from "./families/parents.ts";
import { permissionCases } from "./families/permissions.ts";
import { sparseCases } from "./families/sparse.ts";
import { specialCases } from "./families/special.ts";
import { xattrCases } from "./families/xattrs.ts";

export const cases: Case[] = [
  ...lookupCases,
  ...descriptorCases,
  ...namespaceCases,
  ...parentCases,
  ...attributeCases,
  ...linkCases,
  ...openingCases,
  ...fileCases,
  ...sparseCases,
  ...memoryCases,
  ...directoryCases,
  ...xattrCases,
  ...aclCases,
  ...permissionCases,
  ...specialCases,
  ...lockCases,
  ...limitCases,
];
