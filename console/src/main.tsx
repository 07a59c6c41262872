import '@patternfly/react-core/dist/styles/base.css'
import './console.css'

import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

import { asProblem } from './api/problem'
import { signedOut } from './api/session'
import { showDensity } from './parts/density'
import { SayProvider } from './parts/Say'
import { router } from './routes'
import { startTheme } from './shell/theme'

const MOST_TRIES = 2

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      // What was refused is refused again; what did not answer may.
      retry: (failed, error) => failed < MOST_TRIES && (asProblem(error).status === 0 || asProblem(error).status >= 502),
    },
  },
})

// A session that ended is noticed by whatever was asked next; the shell then goes to the sign-in page.
client.getQueryCache().subscribe((event) => {
  if (event.type === 'updated' && event.action.type === 'error' && signedOut(event.action.error)) {
    client.setQueryData(['me'], null)
  }
})

startTheme()
showDensity()
const place = document.getElementById('console')
if (place) {
  createRoot(place).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <SayProvider>
          <RouterProvider router={router} />
        </SayProvider>
      </QueryClientProvider>
    </StrictMode>,
  )
}
