/** Light, dark, or as the system has it; kept in this browser. */
export type Theme = 'system' | 'light' | 'dark'

const STORED = 'portreeve.theme'
const dark = matchMedia('(prefers-color-scheme: dark)')

export function theme(): Theme {
  const found = localStorage.getItem(STORED)
  return found === 'light' || found === 'dark' ? found : 'system'
}

/** `paper` is what is being printed: it is light, whatever the screen is. */
function show(paper = false): void {
  const chosen = theme()
  const isDark = !paper && (chosen === 'dark' || (chosen === 'system' && dark.matches))
  document.documentElement.classList.toggle('pf-v6-theme-dark', isDark)
}

export function setTheme(chosen: Theme): void {
  localStorage.setItem(STORED, chosen)
  show()
}

/** Show the theme, and follow the system's. */
export function startTheme(): void {
  show()
  dark.addEventListener('change', () => show())
  addEventListener('beforeprint', () => show(true))
  addEventListener('afterprint', () => show())
}
