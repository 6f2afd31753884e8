/** For an error of the console itself, which nothing else caught. */
export function CrashPage({ error }: { error: unknown }) {
  return (
    <main className="page">
      <h1>The console has made an error</h1>
      <p className="error-line" role="alert">
        {String(error)}
      </p>
      <p>
        <a href={location.href}>Load this page again.</a> What you typed is kept.
      </p>
    </main>
  );
}
