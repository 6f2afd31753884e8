// Before the first paint: whoever chose a theme other than the system's shall not see the other flash by.
try {
  const theme = localStorage.getItem("mabos.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden: the system's theme it is
}
