/** Pages that are loaded when somebody goes there, or once there is time for it. */

import { type ComponentType, useEffect, useState } from "react";
import { Page } from "../components/Page";

const AGAIN_MS = 2000;

/** A page that may be here already. */
interface PageFile {
  title: string;
  component: ComponentType | undefined;
  /** Never rejects: the page itself tells that it is not there, and tries again. */
  load: () => Promise<void>;
}

const files: PageFile[] = [];

/** A page in a file of its own. The router waits for it; where it cannot be had now, it appears when it can. */
export function lazyPage(title: string, load: () => Promise<ComponentType>) {
  const file: PageFile = {
    title,
    component: undefined,
    load: async () => {
      file.component ??= await load().catch(() => undefined);
    },
  };
  files.push(file);
  return Object.assign(() => <LoadedPage file={file} />, { preload: file.load });
}

/** Load all of them now, so that going there needs no gateway. */
export function preloadPages(): void {
  for (const file of files) void file.load();
}

function LoadedPage({ file }: { file: PageFile }) {
  const [Loaded, setLoaded] = useState(() => file.component);
  useEffect(() => {
    if (Loaded !== undefined) return;
    const timer = setInterval(() => void file.load().then(() => setLoaded(() => file.component)), AGAIN_MS);
    return () => clearInterval(timer);
  }, [file, Loaded]);
  if (Loaded !== undefined) return <Loaded />;
  return (
    <Page title={file.title}>
      <p className="empty">This page could not be loaded from the gateway. It appears here as soon as it can.</p>
    </Page>
  );
}
