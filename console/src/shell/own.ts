import { readSearch, writeSearch } from '../parts/url'

/** The address of the same page as one sees it oneself. */
export function own({ pathname, search }: { pathname: string; search: string }): string {
  return `${pathname}${writeSearch({ ...readSearch(search), as: '' })}`
}
