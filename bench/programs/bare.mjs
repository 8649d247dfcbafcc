// What Node costs by itself: a module that does nothing.
export const nothing = undefined
