/** The root of all routes; apart, so that pages can name it without knowing each other. */
import { createRootRoute } from '@tanstack/react-router'

import { Shell } from './shell/Shell'
import { Teach } from './parts/Teach'
import { Wrong } from './parts/Wrong'

export const root = createRootRoute({
  component: Shell,
  validateSearch: (found: Record<string, unknown>) => found as Record<string, string>,
  notFoundComponent: () => <Teach title="There is no such page">The address names no page of the console.</Teach>,
  errorComponent: ({ error, reset }) => <Wrong error={error} again={reset} title="This page cannot be shown" />,
})
