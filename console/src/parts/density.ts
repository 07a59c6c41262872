/** How close the rows of tables stand; kept in this browser, as the theme is. */
export type Density = 'compact' | 'comfortable'

const STORED = 'portreeve.density'

export function density(): Density {
  return localStorage.getItem(STORED) === 'comfortable' ? 'comfortable' : 'compact'
}

/** Show all tables so, and those to come. */
export function showDensity(chosen = density()): void {
  document.documentElement.classList.toggle('comfortable', chosen === 'comfortable')
}

export function setDensity(chosen: Density): void {
  localStorage.setItem(STORED, chosen)
  showDensity(chosen)
}
