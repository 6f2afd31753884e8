import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Console } from "../app/Console";
import { FakeGateway } from "./gateway";

/** The whole console at an address, before a gateway in small. */
export async function show(path: string) {
  const gateway = await FakeGateway.start(path);
  const user = userEvent.setup({ delay: null });
  const page = render(<Console />);
  return { gateway, user, page };
}
