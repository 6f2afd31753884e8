import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { Console } from "../app/Console";
import { FakeGateway } from "./gateway";

/** The whole console at an address, before a gateway in small, which may be prepared. */
export async function show(path: string, prepare: (gateway: FakeGateway) => void = () => undefined) {
  const gateway = await FakeGateway.start(path);
  prepare(gateway);
  const user = userEvent.setup({ delay: null });
  const page = render(<Console />);
  return { gateway, user, page };
}
