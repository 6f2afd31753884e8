/** The gateway's API, typed by its own OpenAPI description (`make web-client` writes schema.ts). */

import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** A client of the gateway that served this page. */
export const gateway = () => createClient<paths>({ baseUrl: location.origin });
