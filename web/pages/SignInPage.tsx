import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { GatewayProblem } from "../api/problems";
import { useRefusal, useSession } from "../app/caller";
import { Field } from "../components/Field";
import { Page } from "../components/Page";

/** In place of any page, while the gateway wants to know who asks. */
export function SignInPage() {
  const { signIn } = useSession();
  const refusal = useRefusal();
  const [key, setKey] = useState("");
  const signing = useMutation({ mutationFn: signIn });
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const wanted = key.trim();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wanted === "" || signing.isPending) return;
    signing.mutate(wanted, { onError: () => input.current?.select() });
  };
  return (
    <Page title="Sign in">
      <form className="card form sign-in" onSubmit={submit} noValidate>
        <p className="sign-in-told">
          {refusal ? <b>{sentence(refusal)} </b> : null}
          This gateway wants to know who asks. The key stays in this tab, and is gone when the tab is closed.
        </p>
        <Field
          label="API key"
          hint={
            <>
              From <code>mabos keys create</code>, or a token of your OpenID provider.
            </>
          }
          fault={findFault(wanted) ?? (signing.error ? explain(signing.error) : null)}
        >
          {(control) => (
            <input
              {...control}
              ref={input}
              className="input code"
              type="password"
              value={key}
              onChange={(event) => {
                setKey(event.target.value);
                if (signing.isError) signing.reset();
              }}
              autoComplete="off"
              spellCheck={false}
              required
            />
          )}
        </Field>
        <button
          type="submit"
          className="button button-main"
          aria-disabled={wanted === "" || findFault(wanted) !== null || signing.isPending}
        >
          {signing.isPending ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </Page>
  );
}

/** A header takes no other characters. */
function findFault(key: string): string | null {
  return /^[\x21-\x7e]*$/.test(key) ? null : "A key has letters, digits and signs of ASCII only, and no blanks.";
}

function explain(error: Error): string {
  return error instanceof GatewayProblem && error.status === 401
    ? sentence(error.message)
    : `It could not be asked: ${error.message}.`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
