/**
 * A list of the server's: one page of at most 200 rows, filtered, sorted and paged there, with everything that chooses
 * it in the address. `/` goes to the filter, `j` and `k` through the rows, Enter opens one, `x` selects it, `c` and `y` copy it.
 */
import {
  Button,
  FormSelect,
  FormSelectOption,
  SearchInput,
  Spinner,
  Toolbar,
  ToolbarContent,
  ToolbarGroup,
  ToolbarItem,
} from '@patternfly/react-core'
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'

import { send, withQuery } from '../api/client'
import { asSent, type List } from '../api/documents'
import { address } from '../api/place'
import { shownColumns } from './columns'
import { Fresh } from './Fresh'
import { Go } from './Go'
import { rowTexts } from './row'
import { Teach } from './Teach'
import { useUrl } from './url'
import { View } from './View'
import { Wrong } from './Wrong'
import { yaml } from './yaml'

export interface Column<Row> {
  title: string
  cell: (row: Row) => ReactNode
  /** The value of `sort` that orders by this column, where the route has one. */
  sort?: string
  /** For a column of buttons: its heading is for screen readers alone. */
  actions?: boolean
}

export interface Filter {
  /** The parameter's name, in the address and at the server. */
  name: string
  title: string
  /** A closed set, as value or [value, words]; without one it is text. */
  options?: (string | [string, string])[]
  /** What no choice means, where that is not "any". */
  any?: string
}

export interface RowsProps<Row> {
  /** What the table is, for screen readers: "Registries". */
  caption: string
  /** The list's route: "/api/v1/registries". */
  path: string
  columns: Column<Row>[]
  /** What tells rows apart. */
  id: (row: Row) => string
  /** What others call a row, where that is not what tells it apart: an image's reference. */
  reference?: (row: Row) => string
  /** Where a row opens, as a path of the console; its first cell becomes the link. */
  to?: (row: Row) => string
  filters?: Filter[]
  /** Parameters that are always sent. */
  fixed?: Record<string, string>
  /** Shown where there is nothing at all. Where only the filters leave nothing, the table says so itself. */
  empty: ReactNode
  /** What may be done with the selected rows; without it there are no boxes. */
  selected?: (rows: Row[], clear: () => void) => ReactNode
  /** Formats in which all rows can be taken along. */
  twins?: ('csv' | 'json' | 'yaml')[]
  /** Rows of one page; the server has at most 500, a page here at most 200. */
  limit?: number
  /** Before the names of this list's parameters, where two lists share a page: "needed-". */
  prefix?: string
  /** Something beside the filters. */
  beside?: ReactNode
  /** Milliseconds after which it is asked again; 0 never. */
  every?: number
  /** What is to be said of the answer as a whole, above its rows. */
  head?: (list: List<Row>) => ReactNode
  /** Where a page may be short though more follows: how far it looked. */
  short?: (metadata: List<Row>['metadata']) => ReactNode
}

/** The list's answer, and the parameters that chose it. */
export function useList<Row>(path: string, query: Record<string, string>, every = 0) {
  return useQuery<List<Row>>({
    queryKey: ['list', path, query],
    queryFn: ({ signal }) => send<List<Row>>(path, { query, signal }),
    placeholderData: keepPreviousData,
    ...(every ? { refetchInterval: every } : {}),
  })
}

export function Rows<Row>(props: RowsProps<Row>) {
  const { caption, path, filters = [], fixed = {}, prefix = '', limit = 50, twins = ['csv', 'json', 'yaml'] } = props
  const [url, setUrl] = useUrl()
  const at = (name: string) => url[`${prefix}${name}`] ?? ''
  const set = (changed: Record<string, string | undefined>, push = false) =>
    setUrl(Object.fromEntries(Object.entries(changed).map(([name, value]) => [`${prefix}${name}`, value])), push)

  const chosen: Record<string, string> = { ...fixed }
  for (const { name } of filters) if (at(name)) chosen[name] = at(name)
  const sorts = props.columns.flatMap((one) => (one.sort ? [one.sort] : []))
  const sort = at('sort')
  if (sort && sorts.includes(sort.replace(/^-/, ''))) chosen.sort = sort
  const query: Record<string, string> = { ...chosen, limit: String(Math.min(limit, 200)) }
  if (at('cursor')) query.cursor = at('cursor')

  const { data, error, isPending, isFetching, isPlaceholderData, dataUpdatedAt, refetch } = useList<Row>(
    path,
    query,
    props.every,
  )
  const [picked, pick] = useState<Record<string, Row>>({})
  const key = JSON.stringify(chosen)
  useEffect(() => pick({}), [key])

  const rows = data?.items ?? []
  const total = data?.metadata.total
  const narrowed = filters.some(({ name }) => at(name))
  const clear = () => set({ ...Object.fromEntries(filters.map(({ name }) => [name, undefined])), cursor: undefined })
  const toggle = (row: Row) =>
    pick((before) => {
      const { [props.id(row)]: was, ...rest } = before
      return was ? rest : { ...before, [props.id(row)]: row }
    })
  const columns = shownColumns(props.columns, at('columns'))
  const all = rows.length > 0 && rows.every((row) => picked[props.id(row)])

  return (
    <div className="rows">
      <Toolbar>
        <ToolbarContent>
          {filters.map((filter) => (
            <ToolbarItem key={filter.name}>
              <FilterField filter={filter} value={at(filter.name)} set={(value) => set({ [filter.name]: value, cursor: undefined })} />
            </ToolbarItem>
          ))}
          {narrowed ? (
            <ToolbarItem>
              <Button variant="link" onClick={clear}>
                Clear filters
              </Button>
            </ToolbarItem>
          ) : null}
          {props.beside ? <ToolbarItem>{props.beside}</ToolbarItem> : null}
          <ToolbarGroup align={{ default: 'alignEnd' }}>
            <ToolbarItem>
              <View caption={caption} columns={props.columns} asked={at('columns')} set={(chosen) => set({ columns: chosen })} />
            </ToolbarItem>
            {twins.map((form) => (
              <ToolbarItem key={form}>
                <a href={address(withQuery(`${path}.${form}`, chosen))} download>
                  {form.toUpperCase()}
                </a>
              </ToolbarItem>
            ))}
          </ToolbarGroup>
        </ToolbarContent>
      </Toolbar>
      {props.selected && Object.keys(picked).length ? (
        <div className="selected" role="group" aria-label="Selected rows">
          <span>{Object.keys(picked).length} selected</span> {props.selected(Object.values(picked), () => pick({}))}
        </div>
      ) : null}
      {error && !data ? <Wrong error={error} again={() => void refetch()} /> : null}
      {error && data ? <Wrong error={error} again={() => void refetch()} title="This may be out of date" /> : null}
      {isPending ? (
        <p role="status">
          <Spinner size="md" aria-label={`Loading ${caption}`} /> Loading…
        </p>
      ) : null}
      {data && props.head ? props.head(data) : null}
      {data && !rows.length && data.metadata.continue ? (
        <Teach
          title="Nothing so far"
          action={
            <Button variant="primary" onClick={() => set({ cursor: data.metadata.continue }, true)}>
              Search on
            </Button>
          }
        >
          {props.short?.(data.metadata) ?? 'One question looks at a part of the rows. There are more.'}
        </Teach>
      ) : null}
      {data && !rows.length && !data.metadata.continue ? (
        narrowed || at('cursor') ? (
          <Teach
            title="Nothing matches"
            action={
              <Button variant="secondary" onClick={clear}>
                Clear filters
              </Button>
            }
          >
            No row has what the filters ask for.
          </Teach>
        ) : (
          props.empty
        )
      ) : null}
      {rows.length ? (
        <>
          <div className="scrolled" tabIndex={0} role="region" aria-label={`${caption}, table`}>
            <Table aria-label={caption} variant="compact" className={isPlaceholderData ? 'stale' : ''} aria-busy={isPlaceholderData}>
              <Thead>
                <Tr>
                  {props.selected ? (
                    <Th screenReaderText="Select">
                      <input
                        type="checkbox"
                        aria-label="Select all rows of this page"
                        checked={all}
                        onChange={() => pick(all ? {} : Object.fromEntries(rows.map((row) => [props.id(row), row])))}
                      />
                    </Th>
                  ) : null}
                  {columns.map((column) => (
                    <Heading
                      key={column.title}
                      column={column as Column<unknown>}
                      sort={sort}
                      set={(value) => set({ sort: value, cursor: undefined })}
                    />
                  ))}
                </Tr>
              </Thead>
              <Tbody>
                {rows.map((row) => {
                  const id = props.id(row)
                  return (
                    <Tr
                      key={id}
                      ref={(element: HTMLElement | null) => {
                        if (element) rowTexts.set(element, { reference: props.reference?.(row) ?? id, yaml: () => yaml(asSent(row)) })
                      }}
                      tabIndex={-1}
                      data-row={id}
                      isRowSelected={Boolean(picked[id])}
                    >
                      {props.selected ? (
                        <Td>
                          <input
                            type="checkbox"
                            aria-label={`Select ${id}`}
                            checked={Boolean(picked[id])}
                            onChange={() => toggle(row)}
                          />
                        </Td>
                      ) : null}
                      {columns.map((column, index) => (
                        <Td key={column.title} dataLabel={column.title} isActionCell={Boolean(column.actions)}>
                          {index === 0 && props.to ? <Go to={props.to(row)}>{column.cell(row)}</Go> : column.cell(row)}
                        </Td>
                      ))}
                    </Tr>
                  )
                })}
              </Tbody>
            </Table>
          </div>
          <nav className="paging" aria-label={`Pages of ${caption}`}>
            <span role="status">
              {total === undefined ? `${rows.length} shown` : `${rows.length} of ${total}`} {isFetching ? '· loading' : ''}
            </span>
            <Fresh at={dataUpdatedAt} what="asked" />
            {at('cursor') ? (
              <Button variant="link" onClick={() => set({ cursor: undefined }, true)}>
                First page
              </Button>
            ) : null}
            {data?.metadata.continue ? (
              <Button variant="secondary" onClick={() => set({ cursor: data.metadata.continue }, true)}>
                Next page
              </Button>
            ) : null}
          </nav>
        </>
      ) : null}
    </div>
  )
}

function Heading({ column, sort, set }: { column: Column<unknown>; sort: string; set: (sort: string | undefined) => void }) {
  if (column.actions) return <Th screenReaderText={column.title} />
  if (!column.sort) return <Th modifier="wrap">{column.title}</Th>
  const own = sort.replace(/^-/, '') === column.sort
  const down = own && sort.startsWith('-')
  return (
    <Th modifier="wrap" aria-sort={own ? (down ? 'descending' : 'ascending') : 'none'}>
      <Button variant="plain" className="sort" onClick={() => set(own && !down ? `-${column.sort}` : column.sort)}>
        {column.title} {own ? (down ? '▾' : '▴') : ''}
      </Button>
    </Th>
  )
}

const WAIT_MS = 250

/** A filter by itself, for tables that are not lists. */
export function FilterField({ filter, value, set }: { filter: Filter; value: string; set: (value: string | undefined) => void }) {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  useEffect(() => {
    if (filter.options || text === value) return undefined
    const timer = setTimeout(() => set(text || undefined), WAIT_MS)
    return () => clearTimeout(timer)
    // `set` is new at each rendering; the wait is for the text alone.
  }, [text])
  if (filter.options) {
    return (
      <FormSelect
        className="filter"
        aria-label={filter.title}
        value={value}
        onChange={(_, chosen) => set(chosen || undefined)}
      >
        <FormSelectOption value="" label={`${filter.title}: ${filter.any ?? 'any'}`} />
        {filter.options.map((one) => {
          const [key, words] = typeof one === 'string' ? [one, one] : one
          return <FormSelectOption key={key} value={key} label={`${filter.title}: ${words}`} />
        })}
      </FormSelect>
    )
  }
  return (
    <SearchInput
      aria-label={filter.title}
      placeholder={filter.title}
      value={text}
      data-filter=""
      onChange={(_, typed) => setText(typed)}
      onClear={() => {
        setText('')
        set(undefined)
      }}
    />
  )
}
