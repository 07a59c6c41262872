import { createRoute, lazyRouteComponent } from '@tanstack/react-router'

import { root } from '../../root'

export const attachmentRoutes = [
  createRoute({ getParentRoute: () => root, path: '/attachments', component: lazyRouteComponent(() => import('./Attachments'), 'Attachments') }),
]
